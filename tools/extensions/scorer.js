// How Sphinx's search ranks what it has found: see tools/extensions/search_ranking.py, which counts the words. Headings before
// text, whole words before parts of words, pages that often use a word before those that mention it, and chapters
// before lists.
const asked = (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();
const looksLikeCode = /[_.]|[a-z][A-Z]/.test(new URLSearchParams(location.search).get("q") ?? "");

// What a page is for decides between pages that say the same.
const KINDS = [
  [/^book\/\d\d-/, 3],
  [/^book\/(not-in-here|how-to-run|glossary)$/, 1],
  [/^book\/(index|references|reproduction|performance|referees|not-supported|credits)$/, -2],
  [/^book\/(api|teaching)\/|^book\/quiz-/, -4],
];

// From 0, when no word of the query is there, to about 8: the more often, the higher, and a rare word counts more.
function frequency(docname) {
  const page = Search._index.docnames.indexOf(docname);
  const [, words] = Search._parseQuery(asked);
  let sum = 0;
  for (const word of words) {
    const pages = Search.counts[word] ?? {};
    const rarity = Math.log((Search._index.docnames.length + 1) / (Object.keys(pages).length + 1));
    sum += Math.log2(1 + (pages[page] ?? 0)) * Math.min(rarity, 1.5);
  }
  return words.size ? sum / words.size : 0;
}

var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 1,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 3, // less than a whole word in the text
  term: 5,
  partialTerm: 0,

  score([docname, title, anchor, description, score]) {
    const kind = KINDS.find(([pattern]) => pattern.test(docname))?.[1] ?? 0;
    if (description !== null) return looksLikeCode ? score + 10 : score - 8; // a name of the package
    // A word of the glossary has up to 100 points of Sphinx: as many as a heading, here.
    if (anchor.startsWith("#term-")) return Math.min(score, 100) * 0.15 + 1;
    const heading = score > 5 ? score : 0;
    return score + kind + (heading && anchor ? 0 : frequency(docname));
  },
};
