#include "store/sqlite/record_texts.h"

#include <cstddef>

// The assembler copies the file: no second form of it in the repository.
__asm__(
    ".section .rodata.sb_record_texts, \"a\"\n"
    ".global sb_record_texts_begin\n"
    ".global sb_record_texts_end\n"
    "sb_record_texts_begin:\n"
    ".incbin \"" SB_RECORD_TEXTS
    "\"\n"
    "sb_record_texts_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" {
extern const char sb_record_texts_begin[];
extern const char sb_record_texts_end[];
}

namespace sb::store::sqlite {

std::string_view record_texts() {
  return {sb_record_texts_begin, static_cast<std::size_t>(sb_record_texts_end - sb_record_texts_begin)};
}

std::string_view first_record_texts() {
  // Raw, without tables: zstd looks back over it, so what is most common stands last.
  static constexpr std::string_view kTexts =
      R"("alternatives":[{"intent":"","probability":0.5}],"chosen":"human","intent":"","kind":"route","out_of_scope":0.1,)"
      R"("reasons":["no triage is configured","the caller named the model"],"score":0.9,"script":"","threshold":0.8,)"
      R"("versions":{"classifier":"","triage":""}},"kind":"call","task":"triage"},{"chosen":"abstain","kind":"script",)"
      R"("reasons":["the script has no answer"],"versions":{"script":""}},"failed":true,"kind":"review","streamed":true,)"
      R"("findings":[{"action":"tokenise","count":1,"rule":"","type":"EMAIL"}],"chosen":"redact","objections":[],)"
      R"(guard.outside{"omitted":true}/do/0/1/2/3/4/5/6/7/8/9/for/fork/try/catch/branches/listen/switch/wait/raise/run)"
      R"({"actor":"","kind":"run.start","payload_commit":"","run":"019","seq":1,"summary":{"flow":"signalbox/chat@1.0.0",)"
      R"("flow_hash":""},"tenant":"default","time":17,"versions":{"flow":"","policy":""}})"
      R"({"actor":"","kind":"run.end","payload_commit":"","prev_state":"","run":"019","seq":1,"summary":{"cost_micro":0,)"
      R"("error":"","model":"","route":"large","status":"completed"},"tenant":"default","time":17,"versions":{"flow":"",)"
      R"("model":"","policy":""}}{"attempt":1,"kind":"step","prev_state":"","run":"019","seq":1,"step":0,"summary":{)"
      R"("kind":"set","task":"step"},"tenant":"default","time":17,"versions":{"flow":"signalbox/chat@1.0.0","policy":"",)"
      R"("triage":""}}{"actor":"","attempt":1,"kind":"step","prev_state":"","run":"019","seq":1,"step":1,"summary":{)"
      R"("decision":{"chosen":"allow","direction":"inbound","kind":"guard","versions":{"policy":""}},"kind":"guard",)"
      R"("task":"guard.inbound"},"tenant":"default","time":17,"versions":{"flow":"","policy":""}})"
      R"(guard.outbound/use/extensions/guard/afterguard.inbound/use/extensions/guard/beforeguard{"chosen":"allow",)"
      R"("direction":"outbound","kind":"guard","versions":{"policy":""}}"kind":"guard","task":"guard.outbound"},)"
      R"("summary":{"cost_micro":7,"decision":{"attempts":[{"cause":"ok","cost_micro":7,"deployment":"","estimated":false,)"
      R"("input_tokens":5,"latency_us":1,"output_tokens":1,"status":200}],"chosen":"","kind":"chat","target":"large"},)"
      R"("kind":"chat","task":"answer"},"tenant":"default","time":17,"versions":{"flow":"","model":"","policy":""}})";
  return kTexts;
}

}  // namespace sb::store::sqlite
