/// Which tasks a flow has, by the JSON pointers that steps and errors name them with.
#pragma once

#include <string>
#include <vector>

namespace sb::flow {

struct Flow;

/// Those of the functions that it calls and of its extensions among them. In the order of the document, list by list.
std::vector<std::string> task_refs(const Flow& flow);

}  // namespace sb::flow
