#include "policy/guards/language.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sb::policy {
namespace {

struct Said {
  std::string_view language, text;
};
class Languages : public testing::TestWithParam<Said> {};

TEST_P(Languages, AreTold) {
  EXPECT_EQ(language_of(GetParam().text), GetParam().language) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Sentences, Languages,
    testing::Values(Said{"es", "Quiero cancelar mi suscripción antes de fin de mes"},
                    Said{"es", "Necesito hablar de mi factura en español"},
                    Said{"es", "Deseo información de mi pedido en curso"},
                    Said{"fr", "Je voudrais savoir comment résilier mon abonnement avant la fin du mois"},
                    Said{"fr", "Merci de m’envoyer la facture du mois dernier par courrier"},
                    Said{"fr", "Bonjour, pouvez-vous me dire le temps qu'il fait aujourd'hui à Paris"},
                    Said{"de", "ICH MÖCHTE MEINEN VERTRAG ZUM ENDE DES MONATS KÜNDIGEN"},
                    Said{"de", "Sag mir bitte wie das Wetter morgen in Hamburg wird"},
                    Said{"it", "Vorrei sapere come posso annullare il mio abbonamento prima della fine del mese"},
                    Said{"pt", "Gostaria de saber como cancelar a minha assinatura antes do fim do mês"},
                    Said{"nl", "Ik wil graag weten hoe ik mijn abonnement kan opzeggen voor het einde van de maand"},
                    Said{"pl", "Chciałbym wiedzieć, jak mogę anulować swoją subskrypcję przed końcem miesiąca"},
                    Said{"tr", "Aboneliğimi ay sonundan önce nasıl iptal edebileceğimi bilmek istiyorum"},
                    Said{"en", "I would like to know how to cancel my subscription before the end of the month"},
                    Said{"el", "Θα ήθελα να μάθω πώς μπορώ να ακυρώσω τη συνδρομή μου"},
                    Said{"ja", "月末までに購読を解約する方法を教えてください"}));

// Better no word than a wrong one.
TEST(Language, OfWhatIsTooShortOrNoneIsNotTold) {
  for (const std::string_view text : {"", "ok", "la", "Deluxe", "Paris, London, Berlin", "Invoice 4711",
                                      "def foo(x): return x + 1", "{\"a\": [1, 2, 3]}", "de la", "SELECT id FROM users",
                                      "Tôi muốn biết làm thế nào để hủy đăng ký trước cuối tháng"})
    EXPECT_EQ(language_of(text), "") << text;
}

TEST(Language, EveryPassageCounts) {
  std::string spanish, english;
  for (int i = 0; i < 70; ++i) spanish += "Hola, quiero saber el precio de la casa y el jardín para los niños. ";
  for (int i = 0; i < 8; ++i) english += "Please tell me the answer in the language that I can read and write. ";
  using Set = std::set<std::string_view>;
  EXPECT_EQ(languages_in(spanish), Set{"es"});
  EXPECT_EQ(languages_in(spanish + english), (Set{"en", "es"}));
  EXPECT_EQ(languages_in(english + spanish), (Set{"en", "es"}));
  EXPECT_EQ(languages_in(""), Set{});
  std::string longest;
  while (longest.size() < (1 << 20)) longest += spanish;
  EXPECT_EQ(languages_in(longest + english), (Set{"en", "es"})) << "the last sample ends with the text";
}

}  // namespace
}  // namespace sb::policy
