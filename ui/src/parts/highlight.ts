// Colours for short code: enough for snippets and JSON, nothing more.

export type Language = "bash" | "json" | "python" | "typescript";
export type TokenKind = "text" | "string" | "key" | "number" | "comment" | "word";

export interface Token {
  kind: TokenKind;
  text: string;
}

const WORDS: Record<Language, string> = {
  bash: "eval|export|curl|pip|npm|python|goodgate",
  json: "true|false|null",
  python: "import|from|try|except|as|for|in|with|print|raise|None|True|False",
  typescript: "import|from|const|await|new|try|catch|if|throw|instanceof|for|of|null|true|false|as",
};

const COMMENT: Record<Language, string> = {
  bash: "(?<=^|\\s)#[^\\n]*",
  json: "(?!)",
  python: "#[^\\n]*",
  typescript: "\\/\\/[^\\n]*",
};

const patterns = new Map<Language, RegExp>();

function pattern(language: Language): RegExp {
  const known = patterns.get(language);
  if (known !== undefined) return known;
  const key = language === "json" ? '"(?:[^"\\\\]|\\\\.)*"(?=\\s*:)' : "(?!)";
  // A shell's quotes may hold whole lines; elsewhere a string ends with its line.
  const string =
    language === "bash" ? "\"[^\"]*\"|'[^']*'" : "\"(?:[^\"\\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\\n]|\\\\.)*'";
  // In a shell most digits are parts of addresses.
  const number = language === "bash" ? "(?!)" : "(?<![\\w.])-?\\d[\\d.]*(?:[eE][+-]?\\d+)?(?![\\w.])";
  const made = new RegExp(
    `(?<comment>${COMMENT[language]})|(?<key>${key})|(?<string>${string})|(?<number>${number})|(?<word>(?<![\\w.-])(?:${WORDS[language]})(?![\\w-]))`,
    "gm",
  );
  patterns.set(language, made);
  return made;
}

export function tokens(code: string, language: Language): Token[] {
  const result: Token[] = [];
  let done = 0;
  for (const match of code.matchAll(pattern(language))) {
    if (match.index > done) result.push({ kind: "text", text: code.slice(done, match.index) });
    const kind = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)?.[0] ?? "text";
    result.push({ kind: kind as TokenKind, text: match[0] });
    done = match.index + match[0].length;
  }
  if (done < code.length) result.push({ kind: "text", text: code.slice(done) });
  return result;
}

export function asLanguage(word: string): Language {
  if (word === "python" || word === "json") return word;
  if (word === "typescript" || word === "ts" || word === "javascript" || word === "js") return "typescript";
  return "bash";
}
