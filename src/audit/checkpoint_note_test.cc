#include "audit/checkpoint_note.h"

#include <gtest/gtest.h>

#include "audit/merkle.h"
#include "base/bytes.h"

namespace sb::audit {
namespace {

NoteSigner signer(const char* name = "example.com/log", char seed = 's') {
  return NoteSigner(name, *SigningKey::from_seed(std::string(32, seed)));
}

// The public key and note that Go's golang.org/x/mod/sumdb/note package documents itself with.
TEST(SignedNote, OpensANoteMadeByGo) {
  const auto verifier = NoteVerifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  ASSERT_TRUE(verifier) << verifier.error().detail;
  const std::string text =
      "If you think cryptography is the answer to your problem,\n"
      "then you don't know what your problem is.\n";
  const std::string note =
      text +
      "\n\xe2\x80\x94 PeterNeumann "
      "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
  const auto opened = verifier->open(note);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(*opened, text);
  EXPECT_EQ(verifier->to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
}

TEST(TreeHeadNote, IsTheTextOfTheSpecification) {
  TreeHead head;
  head.origin = "example.com/behind-the-sofa";
  head.size = 20852163;
  const auto root = from_base64("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=");
  std::copy(root->begin(), root->end(), head.root.begin());
  EXPECT_EQ(tree_head_text(head),
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
}

TEST(TreeHeadNote, GoesThereAndBack) {
  const NoteSigner by = signer();
  const TreeHead head{"example.com/log", 7, leaf_hash("x")};
  const std::string note = by.sign(tree_head_text(head));
  const auto key = NoteVerifier::parse(by.verifier().to_string());
  ASSERT_TRUE(key);
  const auto opened = open_tree_head(note, *key);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->origin, head.origin);
  EXPECT_EQ(opened->size, 7U);
  EXPECT_EQ(opened->root, head.root);
  const std::string witnessed = note + signer("witness.example/w", 'w').sign("x\n").substr(3);
  EXPECT_TRUE(open_tree_head(witnessed, *key)) << "a signature of somebody else is passed over";
}

TEST(TreeHeadNote, AnyChangedByteIsNoticed) {
  const NoteSigner by = signer();
  const std::string note = by.sign(tree_head_text({"example.com/log", 123, leaf_hash("x")}));
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string changed = note;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(open_tree_head(changed, by.verifier())) << "byte " << i;
  }
  EXPECT_FALSE(open_tree_head(note, signer("example.com/log", 't').verifier()));
  EXPECT_FALSE(open_tree_head(note, signer("example.com/other").verifier()));
}

TEST(TreeHeadNote, RefusesTextsThatAreNoTreeHead) {
  const std::string root = to_base64(std::string(32, 'r'));
  for (const std::string& text :
       {std::string("o\n1\n"), "o\n01\n" + root + "\n", "o\n\n" + root + "\n", "\n1\n" + root + "\n",
        std::string("o\n1\nAAAA\n"), "o\n-1\n" + root + "\n", "o\n99999999999999999999\n" + root + "\n"}) {
    EXPECT_FALSE(parse_tree_head(text)) << text;
  }
  EXPECT_TRUE(parse_tree_head("o\n0\n" + root + "\n"));
}

TEST(NoteVerifier, RefusesKeysThatDoNotFit) {
  const std::string good = signer().verifier().to_string();
  EXPECT_TRUE(NoteVerifier::parse(good + "\n"));
  for (const std::string& bad : {std::string(), std::string("a+b"), "x" + good, good.substr(0, good.size() - 4),
                                 std::string("a+00000000+AAAA")}) {
    EXPECT_FALSE(NoteVerifier::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace sb::audit
