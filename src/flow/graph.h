/// Pictures of a flow: its tasks and where they go. Pure.
#pragma once

#include <string>

#include "flow/definition.h"

namespace sb::flow {

/// A Mermaid flowchart.
std::string mermaid_graph(const Flow& flow);
/// A self-contained SVG: lists as columns of boxes, nested lists as boxes within boxes, jumps as arcs on the right.
std::string svg_graph(const Flow& flow);

}  // namespace sb::flow
