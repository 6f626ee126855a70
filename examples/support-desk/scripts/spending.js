// Lists the latest payments, or sums up the month by kind of spending when the question names one.
// Input: text, intent, input.account.

const KINDS = {
  groceries: ["grocer", "supermarket", "food"],
  restaurants: ["restaurant", "eating out", "dining"],
  transport: ["transport", "train", "bus", "tickets", "petrol"],
};

export default function main(input) {
  const text = String(input.text || "").toLowerCase();
  const { transactions, spent_this_month: spent } = input.input.account;
  if (String(input.intent || "").endsWith("transactions")) {
    const lines = transactions.map((t) => `- ${t.day}: ${t.what}, ${t.amount}`);
    return ["Your latest transactions:", ...lines].join("\n");
  }
  const kind = Object.keys(KINDS).find((name) => KINDS[name].some((word) => text.includes(word)));
  return kind
    ? `This month you have spent ${spent[kind]} on ${kind}, of ${spent.total} in all.`
    : `This month you have spent ${spent.total} in all. The Insights page of the app shows it by category.`;
}
