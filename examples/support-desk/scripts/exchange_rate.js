// Answers "what is the rate" and "how much is 80 pounds in euros" from the bank's own table of rates.
// Input: text, input.rates (from the flow). Pure: no clock, no network, no randomness.

const FALLBACK_TARGET = "USD";

/** Currencies named in the text, in the order in which they appear. */
export function currencies(text, names) {
  const found = [];
  for (const code of Object.keys(names)) {
    for (const name of names[code]) {
      const at = wordAt(text, name);
      if (at >= 0) found.push({ code, at, length: name.length });
    }
  }
  // The longest name wins where several start at one place ("canadian dollars" over "dollars").
  found.sort((a, b) => a.at - b.at || b.length - a.length);
  const codes = [];
  let end = -1;
  for (const hit of found) {
    if (hit.at < end) continue;
    end = hit.at + hit.length;
    if (!codes.includes(hit.code)) codes.push(hit.code);
  }
  return codes;
}

function wordAt(text, name) {
  const letter = /[\p{L}]/u;
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const before = at > 0 ? text[at - 1] : " ";
    const after = at + name.length < text.length ? text[at + name.length] : " ";
    const isSign = !letter.test(name);
    if (isSign || (!letter.test(before) && !letter.test(after))) return at;
  }
  return -1;
}

/** The first amount in the text, or null. Reads 1,500 and 1.500,50 and 1 500.5 alike. */
export function amount(text) {
  const match = /\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,2})?(?!\d)/.exec(text);
  if (!match) return null;
  let digits = match[0].replace(/[' ]/g, "");
  const cents = /[.,](\d{1,2})$/.exec(digits);
  const whole = (cents ? digits.slice(0, -cents[0].length) : digits).replace(/[.,]/g, "");
  const value = Number(whole + (cents ? "." + cents[1] : ""));
  return Number.isFinite(value) && value > 0 && value < 1e12 ? value : null;
}

function money(value, code) {
  const digits = code === "JPY" || code === "HUF" ? 0 : 2;
  const [whole, cents] = value.toFixed(digits).split(".");
  return whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",") + (cents ? "." + cents : "") + " " + code;
}

export default function main(input) {
  const { per_base: table, names, as_of: asOf, base, exchange_fee_percent: fee } = input.input.rates;
  const text = String(input.text || "").toLowerCase();
  const named = currencies(text, names);
  let from = named[0] || base;
  let to = named[1] || (from === base ? FALLBACK_TARGET : base);
  // "how many francs for 250 euros": the currency beside the amount is the one that is given away.
  const sum = amount(text);
  if (sum !== null && named.length > 1) {
    const afterAmount = currencies(text.slice(text.search(/\d/)), names)[0];
    if (afterAmount && afterAmount !== from) [from, to] = [afterAmount, from];
  }
  const rate = table[to] / table[from];
  const first =
    sum === null
      ? `One ${from} is ${rate.toPrecision(4)} ${to} (rate of ${asOf}).`
      : `${money(sum, from)} are ${money(sum * rate, to)} at ${rate.toPrecision(4)} (rate of ${asOf}).`;
  return (
    `${first} Exchanging costs ${fee.weekday} % on weekdays and ${fee.weekend} % at weekends; ` +
    "you see the exact sum before you confirm."
  );
}
