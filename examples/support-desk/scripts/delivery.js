// Estimates when a card arrives: from the account's open order, the country named in the text and the kind of delivery.
// Input: text, intent, input.account.card, input.bank.delivery_days. 
// Counts working days only; the order's age comes with the account.

const COUNTRIES = {
  DE: ["germany", "deutschland"],
  AT: ["austria", "österreich"],
  FR: ["france", "lyon", "paris"],
  NL: ["netherlands", "holland"],
  BE: ["belgium", "belgië"],
  PT: ["portugal"],
  ES: ["spain", "españa"],
  IT: ["italy", "italia"],
  PL: ["poland", "polska"],
  SE: ["sweden", "sverige"],
  other: ["uk", "united kingdom", "switzerland", "norway", "iceland", "abroad"],
};

export function country(text, fallback) {
  const words = ` ${text.replace(/[^\p{L}]+/gu, " ")} `;
  for (const code of Object.keys(COUNTRIES)) {
    if (COUNTRIES[code].some((name) => words.includes(` ${name} `))) return code;
  }
  return fallback;
}

function days(count) {
  return count === 1 ? "1 working day" : `${count} working days`;
}

export default function main(input) {
  const text = String(input.text || "").toLowerCase();
  const { card } = input.input.account;
  const plan = input.input.bank.delivery_days;
  const where = country(text, card.country);
  const usual = plan.standard[where] || plan.standard.other;
  const express = `Express delivery takes ${days(plan.express_days)} and costs ${plan.express_fee}.`;
  const asksForEstimate = /estimate|duration|order_physical/.test(String(input.intent || "")) || where !== card.country;
  if (asksForEstimate) return `A card takes about ${days(usual)} by post. ${express}`;
  const left = usual - card.days_since_order;
  if (left > 0) {
    return (
      `Your card is ${card.status}: it was ordered ${days(card.days_since_order)} ago and should be with you in ` +
      `about ${days(left)}. Post cannot be tracked; if it is not there by then, ask us here and we send a new one.`
    );
  }
  return (
    `Your card was ordered ${days(card.days_since_order)} ago and should have arrived by now. ` +
    "Please check the address under Profile > Address; with your word we send a new one free of charge."
  );
}
