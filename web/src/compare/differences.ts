// Which words of two texts differ: a longest common subsequence over words, for answers of a few hundred of them.
export interface Part {
  text: string;
  differs: boolean;
}

const kMostWords = 400;
const kLeastCommon = 0.25; // of the longer text's words; texts with less in common would be marked all over, which tells nothing

export function differences(a: string, b: string): [Part[], Part[]] {
  const x = a.split(/(\s+)/).filter((w) => w !== "");
  const y = b.split(/(\s+)/).filter((w) => w !== "");
  if (x.length > kMostWords || y.length > kMostWords) {
    const differs = a !== b;
    return [[{ text: a, differs }], [{ text: b, differs }]];
  }
  const width = y.length + 1;
  const common = new Uint16Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; --i) {
    for (let j = y.length - 1; j >= 0; --j) {
      common[i * width + j] = x[i] === y[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const isWord = (w: string) => w.trim() !== "";
  const words = Math.max(x.filter(isWord).length, y.filter(isWord).length);
  const left: Part[] = [];
  const right: Part[] = [];
  const add = (to: Part[], text: string, differs: boolean) => {
    const last = to[to.length - 1];
    if (last && last.differs === differs) last.text += text;
    else to.push({ text, differs });
  };
  let i = 0;
  let j = 0;
  let same = 0;
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) {
      if (isWord(x[i])) same += 1;
      add(left, x[i++], false);
      add(right, y[j++], false);
    } else if (j >= y.length || (i < x.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      add(left, x[i++], true);
    } else {
      add(right, y[j++], true);
    }
  }
  if (words > 4 && same < kLeastCommon * words) return [[{ text: a, differs: false }], [{ text: b, differs: false }]];
  return [left, right];
}
