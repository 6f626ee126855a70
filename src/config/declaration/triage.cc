// `triage`: how requests for `auto` are routed, and what that promises.
#include "config/declaration/forms.h"
#include "config/declaration/sections.h"

namespace sb::config {
namespace {

auto promise_section() {
  using P = PromiseConfig;
  return declare<P>("What scripts are promised to be, and how it is watched that they are.")
      .path("labelled", &P::labelled,
            {.about = "Labelled texts that the classifier was not trained on, as `signalbox triage tune` takes them: "
                      "what the promise rests on. Read at the start.",
             .required = true})
      .path("routes", &P::routes,
            {.about = "Its `equivalent_intents` count as right for each other, as in `signalbox triage tune`."})
      .integer("wrong_scripts_per_mille", &P::wrong_scripts_per_mille,
               {.about = "Most wrong ones among scripted answers.", .min = 1, .max = 500})
      .integer("confidence_per_mille", &P::confidence_per_mille,
               {.about = "How sure the labelled texts must make that.", .min = 500, .max = 999})
      .integer("out_of_scope_per_mille", &P::out_of_scope_per_mille,
               {.about = "Share of the traffic that fits no intent; 0: as in the labelled texts.", .max = 900})
      .integer("relax_after", &P::relax_after,
               {.about = "Queries after which a threshold that was tightened for the traffic may come back, once the "
                         "traffic is again what it was tuned for. 0: it never does.",
                .max = 1'000'000'000})
      .integer("double_answers_per_mille", &P::double_answers_per_mille,
               {.about = "Of answers of scripts and of the small model, so many are shown to `judge` after they were "
                         "given; each is a run of its own, with its cost.",
                .max = 1'000})
      .text("judge", &P::judge, {.about = "Tier or provider/model that is asked.", .form = &kModelName})
      .integer("judge_errs_per_mille", &P::judge_errs_per_mille,
               {.about = "Of right answers, so many are taken for wrong ones by `judge`: what the guard makes "
                         "allowance for.",
                .max = 500});
}

auto learn_section() {
  using L = LearnConfig;
  return declare<L>("When it learns from labels, and how many it waits for.")
      .integer("every_s", &L::every_s,
               {.about = "Looks for new labels so often, in seconds.", .min = 1, .max = 30 * 24 * 3600})
      .integer("at_least", &L::at_least,
               {.about = "Learns where so many labels have come since it last learnt.", .min = 5, .max = 2'000});
}

auto trial_entry() {
  using T = TrialConfig;
  return declare<T>("A candidate beside the triage in force.")
      .text("name", &T::name,
            {.about = "What the record, metrics and `signalbox triage trials` call it.",
             .form = &kName,
             .required = true})
      .path("file", &T::file, {.about = "Its triage document, as `triage.file`. This or `version`."})
      .text(
          "version", &T::version,
          {.about = "A version of triage that this server has kept, with what was learnt: its id, as `signalbox triage "
                    "versions` lists it.",
           .form = &kName})
      .choice("mode", &T::mode, {{"shadow", TrialMode::shadow}, {"split", TrialMode::split}},
              {.about = "`shadow`: it decides too, on record, and nothing comes of it. `split`: it decides for some "
                        "of those who ask."})
      .integer("weight_per_mille", &T::weight_per_mille,
               {.about = "Of the askers that it speaks of, so many get the candidate: drawn by a hash of the trial's "
                         "name and of who asks.",
                .min = 1,
                .max = 1'000})
      .texts("tenants", &T::tenants, {.about = "It speaks of these alone; none: of all.", .form = &kName})
      .texts("tags", &T::tags,
             {.about = "It speaks of chats whose `metadata` have all of these entries.", .names = &kName})
      .text("sticky_by", &T::sticky_by,
            {.about = "Entry of a chat's `metadata` that names what stays on one side, such as a conversation; where "
                      "a request has none, its person does (`x-signalbox-subject`, else `user`), else its API key.",
             .form = &kName});
}

}  // namespace

Declaration<TriageConfig> triage_section() {
  return declare<TriageConfig>("How requests for `auto` are routed.")
      .path("file", &TriageConfig::file,
            {.about = "Trained classifier with routes and thresholds; empty routes by rules alone."})
      .choice("approval", &TriageConfig::approval, {{"none", Approval::none}, {"two_people", Approval::two_people}},
              {.about = "`two_people`: a changed document, or a version that is to be in force again, is so only when "
                        "another key than its author's approved it."})
      .section("promise", &TriageConfig::promise, promise_section(),
               {.about = "Watches in production that scripts are as seldom wrong as promised."})
      .section(
          "learn", &TriageConfig::learn, learn_section(),
          {.about = "Learns from labels by itself. A quarter of them is withheld, by their content; a version that "
                    "is proved better on these is put in force, any other is only kept."})
      .list("trials", &TriageConfig::trials, trial_entry(),
            {.about = "Candidates that are tried beside `file`, on live traffic."});
}

}  // namespace sb::config
