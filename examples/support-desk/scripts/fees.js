// Tells what a transfer, a top-up or a payment abroad costs; with an amount in the text, it works the fee out.
// Input: text, intent, input.bank (from the flow).

function euros(value) {
  return value === 0 ? "free" : value.toFixed(2) + " EUR";
}

/** The first amount in euro the text names, or null. Other digits (accounts, cards, dates) are no amounts. */
export function amount(text) {
  const before = /(?:€|\beur(?:os?)?)\s*(\d+(?:[.,]\d+)*)/i;
  const behind = /(?<![\p{L}\d])(\d+(?:[.,]\d+)*)\s*(?:€|eur(?:os?)?\b)/iu;
  const match = before.exec(text) || behind.exec(text);
  if (!match) return null;
  const digits = match[1].replace(/[.,](?=\d{3}(?!\d))/g, "").replace(",", ".");
  const value = Number(digits);
  return value > 0 && value < 1e6 ? value : null;
}

function transfer(fees, sum) {
  const rule =
    `Transfers in euro inside the SEPA area are ${euros(fees.sepa)}. Other transfers cost ` +
    `${euros(fees.abroad_fixed)} plus ${fees.abroad_percent} % of the amount.`;
  if (sum === null) return rule;
  const fee = fees.abroad_fixed + (sum * fees.abroad_percent) / 100;
  return `${rule} For ${sum.toFixed(2)} EUR sent outside SEPA that is ${fee.toFixed(2)} EUR.`;
}

function topUp(fees) {
  return (
    `Topping up by bank transfer is ${euros(fees.bank_transfer)}, and so is a card issued in the euro area. ` +
    `A card from elsewhere costs ${fees.foreign_card_percent} % of the amount.`
  );
}

function abroad(fees) {
  return (
    `Paying by card in another currency costs ${fees.card_abroad_percent} %, and taking out cash abroad ` +
    `${euros(fees.cash_abroad)} each time. In euro, both are free.`
  );
}

export default function main(input) {
  const intent = String(input.intent || "");
  const fees = input.input.bank.fees;
  if (intent.includes("top_up")) return topUp(fees.top_up);
  if (intent.includes("international")) return abroad(fees);
  return transfer(fees.transfer, amount(String(input.text || "")));
}
