// How Sphinx's search ranks what it has found; search_ranking.py puts the numbers into the index. Titles before
// headings before text, whole words before parts of words, pages that often use a word before those that mention it,
// chapters before lists, and of two that are equal the one that stands earlier in the book.
const asked = new URLSearchParams(location.search).get("q") ?? "";
const looksLikeCode = /[_.]|Error$/.test(asked.trim());

// What a page is for decides between pages that say the same.
const KINDS = [
  [/^book\/\d\d-/, 3],
  [/^book\/(not-in-here|how-to-run|glossary)$/, 1],
  [/^book\/(index|references|reproduction|performance|referees|not-supported|credits)$/, -2],
  [/^book\/(api|teaching)\/|^book\/quiz-/, -4],
];

const words = () => [...Search._parseQuery(asked)[1]];

// From 0 to about 8: the more often a page has the words, the higher, and a rare word counts more.
function frequency(page) {
  const parts = words().map((word) => {
    const often = Search.counts[word] ?? {};
    const rarity = Math.log((Search._index.docnames.length + 1) / (Object.keys(often).length + 1));
    return Math.log2(1 + (often[page] ?? 1)) * Math.min(rarity, 1.5);
  });
  return parts.reduce((sum, part) => sum + part, 0) / Math.max(parts.length, 1);
}

function inTitle(page) {
  const stemmer = new Stemmer();
  const title = splitQuery(Search._index.titles[page].toLowerCase()).map((word) => stemmer.stemWord(word));
  return words().every((word) => title.includes(word));
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

  score([docname, , anchor, description, score]) {
    if (description !== null) return looksLikeCode ? score + 10 : score - 8; // a name of the package
    // Sphinx gives a word of the glossary up to 100 points; here it has as many as a heading.
    if (anchor.startsWith("#term-")) return Math.min(score, 100) * 0.15 + 1;
    if (anchor) return score; // a heading within a page
    const page = Search._index.docnames.indexOf(docname);
    const kind = KINDS.find(([pattern]) => pattern.test(docname))?.[1] ?? 0;
    return score + kind + frequency(page) + (inTitle(page) ? 8 : 0) - page / 1000;
  },
};
