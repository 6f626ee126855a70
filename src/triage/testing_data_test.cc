#include <string>
#include <vector>

#include "triage/testing_data.h"

namespace sb::triage {
namespace {

struct Recipe {
  const char* intent;
  const char* route;
  std::vector<std::string> openings;
  std::vector<std::string> subjects;
};

// Every opening with every subject: enough repetition to learn from, in words nobody else collected.
const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> all{
      {"hours",
       "script",
       {"what are", "tell me", "when are", "i need", "show"},
       {"your opening hours", "the hours you open", "opening times today", "the hours of the shop",
        "your opening times on sunday"}},
      {"balance",
       "script",
       {"what is", "show me", "tell me", "i want to see", "how high is"},
       {"my balance", "my account balance", "the balance of my account", "the money in my account",
        "my current balance"}},
      {"address",
       "script",
       {"how do i change", "i want to update", "please correct", "where can i edit", "help me change"},
       {"my address", "my postal address", "the street in my profile", "my home address", "the address on file"}},
      {"poem",
       "generative",
       {"write me", "please write", "compose", "i would like", "make up"},
       {"a poem about rain", "a poem on summer", "some verses about my cat", "a short poem", "a poem for a birthday"}},
      {"advice",
       "generative",
       {"what do you think about", "give me advice on", "how should i plan", "help me think through", "compare for me"},
       {"saving for a house", "a holiday budget", "buying a used car", "moving abroad", "studying again"}},
      {"stolen",
       "human",
       {"somebody stole", "a thief took", "i was robbed of", "they have stolen", "help someone stole"},
       {"my wallet", "my card", "my phone and card", "my bag with the card", "my purse"}},
      {"complaint",
       "human",
       {"i want to complain about", "this is a complaint about", "i am angry about", "i demand to speak about",
        "my lawyer will hear about"},
       {"your service", "the rude agent", "this fraud", "how i was treated", "the wrong charge"}},
      {"greeting",
       "script",
       {"hello", "hi", "good morning", "hey", "good evening"},
       {"there", "everyone", "to you", "my friend", "support"}},
      {"oos",
       "",
       {"the weather on", "who won on", "the capital of", "how far is", "recipe from"},
       {"mars", "the football", "some island", "the northern coast", "grandma"}},
  };
  return all;
}

}  // namespace

const Dataset& test_dataset() {
  static const Dataset dataset = [] {
    Dataset out;
    for (const auto& recipe : recipes()) {
      for (const auto& opening : recipe.openings) {
        for (const auto& subject : recipe.subjects) {
          out.examples.push_back({opening + " " + subject, recipe.intent, recipe.route});
        }
      }
    }
    out.files.push_back({"own-words", std::string(64, '0'), out.examples.size()});
    return out;
  }();
  return dataset;
}

TrainOptions test_options() {
  TrainOptions options;
  options.learn.dimension = 16;
  options.learn.members = 2;
  options.learn.epochs = 30;
  options.learn.feature_dropout = 0.3;
  options.text_folds = 3;
  options.label_folds = 4;
  options.command = "test";
  // So few texts can promise nothing at 1 %; the tests want to see scripts run.
  options.target = {.wrong_scripts = 0.5, .out_of_scope = 0.05, .needless_human = 0.05, .wrong_answers = 0.05};
  return options;
}

const IntentModel& test_model() {
  static const IntentModel model =
      IntentModel::from_data(train(test_dataset(), nullptr, test_options(), [](double) {}).value().data);
  return model;
}

}  // namespace sb::triage
