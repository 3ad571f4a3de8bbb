// compare.js PROGRAM [SEED [PATTERNS]]: the same patterns and paths through npm's minimatch and through
// PROGRAM (match_pairs). Prints what differs and how many pairs there were; status 1 if any differed.
'use strict';

const { spawnSync } = require('node:child_process');
const { Minimatch, braceExpand } = require('minimatch');

const [program, seedText = '20240607', countText = '6000'] = process.argv.slice(2);
const pathsPerPattern = 12;

let seed = Number(seedText) >>> 0;
function random(n) {
  // mulberry32
  seed = (seed + 0x6d2b79f5) >>> 0;
  let t = seed;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) % n;
}
const pick = (list) => list[random(list.length)];
const chance = (percent) => random(100) < percent;

const words = ['a', 'b', 'ab', 'ba', 'src', 'lib', 'index', 'main.ts', 'x.spec.ts', 'x.ts', 'x.test.tsx', '.env',
  '.eslintrc.json', 'package.json', 'dist', 'node_modules', 'é', 'naïve', '日本', 'a b', 'a-b', 'A', 'Z9', '0', '7',
  '10', '@types', '+page', 'c++', '(x)', 'a.b.c', 'aXb', '_', '~', '$x', '#tag', '%41', "it's", '"q"', 'a]', 'b}c'];
const letters = ['a', 'b', 'c', 'x', '.', '-', '_', '1', '9', 'é', 'ß', 'Z', '.ts', 'spec', '日', ' '];
const posix = ['alnum', 'alpha', 'ascii', 'blank', 'digit', 'lower', 'punct', 'space', 'upper', 'word', 'xdigit',
  'graph', 'cntrl'];

// A piece of a name, and a string that it may match.
function atom(depth) {
  switch (random(depth > 2 ? 7 : 11)) {
    case 0: case 1: case 2: {
      const text = pick(letters);
      return [text, text];
    }
    case 3: return ['*', chance(30) ? '' : pick(letters) + (chance(50) ? pick(letters) : '')];
    case 4: return ['?', pick(['a', 'b', '.', 'é', '7', '-'])];
    case 5: {
      const negated = chance(25) ? pick(['!', '^']) : '';
      let body = '';
      for (let i = 1 + random(3); i > 0; i--) {
        body += pick(['a', 'b', 'a-c', '0-9', 'x-z', 'é', 'à-ü', '_', '.', 'z-a', '\\]', '-']);
      }
      return [`[${negated}${body}]`, pick(['a', 'b', 'c', '5', 'é', '_', 'q', '-'])];
    }
    case 6: {
      const negated = chance(20) ? '!' : '';
      return [`[${negated}[:${pick(posix)}:]${chance(30) ? pick(['a', '-', '.', '0-9']) : ''}]`,
        pick(['a', 'B', '3', '_', '-', ' ', '!', '.'])];
    }
    case 7: case 8: {
      const type = pick(['@', '?', '*', '+', '!', '!']);
      const choices = [];
      for (let i = 1 + random(3); i > 0; i--) choices.push(sequence(depth + 1, random(3)));
      const open = `${type}(${choices.map(([glob]) => glob).join('|')})`;
      const one = pick(choices)[1];
      const instance = type === '!' ? pick(['', 'a', 'q', 'ab', one])
        : type === '?' ? pick(['', one]) : type === '*' ? pick(['', one, one + pick(choices)[1]])
          : type === '+' ? pick([one, one + pick(choices)[1]]) : one;
      return [open, instance];
    }
    case 9: {
      const members = [];
      for (let i = 2 + random(2); i > 0; i--) members.push(sequence(depth + 1, random(3)));
      return [`{${members.map(([glob]) => glob).join(',')}}`, pick(members)[1]];
    }
    default:
      switch (random(4)) {
        case 0: {
          const from = random(12), to = random(12), step = chance(20) ? `..${1 + random(3)}` : '';
          return [`{${from}..${to}${step}}`, String(Math.min(from, to))];
        }
        case 1: return ['{08..11}', pick(['08', '9', '09', '10'])];
        case 2: return ['{a..e}', pick(['a', 'c', 'f'])];
        default: return ['\\' + pick(['*', '?', '[', '(', 'a']), pick(['*', '?', '[', '(', 'a'])];
      }
  }
}

function sequence(depth, length) {
  let glob = '', instance = '';
  for (let i = 0; i < length; i++) {
    const [g, s] = atom(depth);
    glob += g;
    instance += s;
  }
  return [glob, instance];
}

function segment() {
  if (chance(35)) {
    const word = pick(words);
    return [word, word];
  }
  if (chance(20)) return [pick(['*', '*.ts', '*.{ts,tsx}', '*.*', '.*', '?', '*.spec.ts', '!(*.spec).ts', '?(.)*']), pick(words)];
  return sequence(0, 1 + random(4));
}

function pair() {
  const globs = [], instance = [];
  for (let i = 1 + random(4); i > 0; i--) {
    if (chance(22)) {
      globs.push('**');
      for (let n = random(3); n > 0; n--) instance.push(pick(words));
    } else {
      const [g, s] = segment();
      globs.push(g);
      instance.push(s);
    }
  }
  if (chance(6)) {
    globs.splice(0, globs.length, `{${globs.join('/')},${segment()[0]}/${segment()[0]}}`);
  }
  return [globs.join('/'), instance];
}

// Broken on purpose: what opens and does not close, stray separators, text cut anywhere.
function damaged(glob) {
  const at = random(glob.length + 1);
  switch (random(3)) {
    case 0: return glob.slice(0, at);
    case 1: return glob.slice(0, at) + pick(['(', ')', '[', ']', '{', '}', '|', ',', '@(', '!(', '[!', '[[:alpha:]', '{a', '..}'])
      + glob.slice(at);
    default: return glob.slice(0, at) + glob.slice(at + 1);
  }
}

function mutated(instance) {
  const names = instance.slice();
  const at = random(names.length || 1);
  switch (random(7)) {
    case 0: names[at] = pick(words); break;
    case 1: names.splice(at, 0, pick(words)); break;
    case 2: names.splice(at, 1); break;
    case 3: names[at] = (names[at] || '') + pick(letters); break;
    case 4: names[at] = (names[at] || '').slice(0, -1); break;
    case 5: names[at] = '.' + (names[at] || ''); break;
    default: break;
  }
  return names;
}

// Only paths as a kernel gives them.
function canonical(names) {
  const good = names.filter((name) => name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name));
  return good.length ? good.join('/') : 'a';
}

const special = [
  ['a/**', ['a', 'a/b', 'a/b/c', 'ab', 'b/a']], ['**', ['a', 'a/b', '.a/.b']], ['**/a', ['a', 'b/a', 'a/b', '.x/a', 'ba']],
  ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b', 'ab', 'a/xb']], ['**/**/a/**/**', ['a', 'a/b', 'x/a/y/z']],
  ['a/**b', ['a/b', 'a/xb', 'a/x/b']], ['*', ['a', '.a', 'a/b']], ['*/*', ['a', 'a/b', 'a/b/c']],
  ['{a,b}/c', ['a/c', 'b/c', '{a,b}/c', 'a/c/d']], ['a{1..3}b', ['a1b', 'a2b', 'a4b', 'a{1..3}b']],
  ['{a,b{c,d{e,f}}}', ['a', 'bc', 'bde', 'bdf', 'bd']], ['{a', ['{a', 'a']], ['a}', ['a}', 'a']], ['{a}', ['a', '{a}']],
  ['{}', ['{}', 'a']], ['{},a}b', ['{},a}b', 'ab', 'b']], ['x{{a,b}}y', ['x{a}y', 'x{b}y', 'xay']],
  ['${a,b}', ['${a,b}', 'a', '$a']], ['{a},b}', ['a}', 'b', '{a}']], ['{,a}b', ['b', 'ab']], ['a{,}', ['a']],
  ['{-3..3}', ['-3', '-1', '0', '3', '4']], ['{003..5}', ['003', '3', '004', '005']], ['{a..}', ['{a..}']],
  ['{5..1..2}', ['5', '3', '1', '2']], ['{a..g..3}', ['a', 'd', 'g', 'b']], ['{Z..a}', ['Z', 'a', '_', '`']],
  ['!(a)', ['a', 'b', 'ab', '.a']], ['!(a)b', ['ab', 'b', 'cb', 'aab']], ['!(a|b)*.ts', ['a.ts', 'b.ts', 'c.ts']],
  ['!(*.spec|*.test).ts', ['x.spec.ts', 'x.ts', 'x.test.ts', '.spec.ts', 'spec.ts']],
  ['x!(a|b!(c))d', ['xd', 'xad', 'xbd', 'xbcd', 'xbxd']], ['*(!(a)b)c', ['bc', 'abc', 'xbc', 'abxbc', 'c']],
  ['+(a|b)c', ['ac', 'abbac', 'c']], ['@(a|b|cd)', ['a', 'cd', 'c']], ['?(a)b', ['b', 'ab', 'aab']],
  ['@()', ['@()', 'a']], ['a@()b', ['ab', 'a@()b']], ['!()', ['a', '!()']], ['a!()b', ['ab', 'axb']],
  ['@(a', ['@(a', 'a']], ['a(b|c)', ['a(b|c)', 'ab']], ['*(a|*(b|*(c|*(d))))', ['abcd', 'dcba', 'e']],
  ['@(a|@(b|@(c|@(d))))', ['a', 'b', 'c', 'd', '@(d)']], ['@(a|+(b|@(c|+(d))))', ['a', 'bb', 'c', 'd', 'dd', '+(d)']],
  ['[a-', ['[a-']], ['[]a]', [']', 'a', '[]a]']], ['[!]a]', [']', 'a', 'b']], ['[^a]', ['a', 'b', 'é']],
  ['[a-]', ['a', '-']], ['[-a]', ['a', '-']], ['[z-a]', ['z', 'a', '[z-a]']], ['[z-ab]', ['b', 'z']],
  ['[a-[:alpha:]]', ['a', 'b']], ['[[:alpha:][:digit:]]x', ['ax', '1x', '_x']], ['[[:nope:]]', ['n', ':]', '[:]', 'n]']],
  ['[*]', ['*', 'a']], ['[.]x', ['.x', 'ax']], ['[a][b]*', ['ab', 'abc', 'b']], ['\\*', ['*', 'a']], ['a\\', ['a\\', 'a']],
  ['??', ['ab', 'é', 'éé', '日本', 'a']], ['[à-ü]', ['é', 'a', 'z']], ['[日-本]', ['日', '本', '月']],
  ['.*', ['.a', 'a', '.a.b']], ['**/.*', ['.a', 'b/.c', 'b/c']], ['a//b', ['a/b']], ['#a', ['#a', 'a']],
  ['.github/**/*.yml', ['.github/a.yml', '.github/w/a.yml', 'github/a.yml']],
  ['apps/[id]/page.tsx', ['apps/[id]/page.tsx', 'apps/i/page.tsx', 'apps/id/page.tsx']],
];

const patterns = [];
for (const [glob, paths] of special) patterns.push([glob, paths]);
for (let i = 0; i < Number(countText); i++) {
  let [glob, instance] = pair();
  if (chance(12)) glob = damaged(glob);
  const paths = new Set([canonical(instance)]);
  for (let n = 1; n < pathsPerPattern; n++) paths.add(canonical(n < 4 ? instance.concat(mutated(instance).slice(0, n - 1)) : mutated(mutated(instance))));
  patterns.push([glob, [...paths]]);
}

// Where spoor differs on purpose, or minimatch from itself; docs/declarations.md.
function outOfScope(glob) {
  if (glob === '' || glob.startsWith('/') || glob.startsWith('!') && !glob.startsWith('!(')) return true;
  // A `.` or `..`, which is resolved here, and a slash at the end, which stands for what is beneath.
  const names = glob.split(/[/{},|]/);
  if (names.includes('.') || names.includes('..') || glob.endsWith('/')) return true;
  // minimatch has [:print:] the wrong way round: it matches control characters there.
  if (glob.includes('[:print:]')) return true;
  // minimatch takes an escaped `|` for one of its regular expression's.
  if (glob.includes('\\|')) return true;
  // A `*` that is the whole of a group behind `!(…)` wants something there; here it is the name that does.
  if (/!\([^/]*\)[@?*+!]\(/.test(glob)) return true;
  // The same inside of groups, and groups of nothing.
  if (/[@?*+]\([^/]*!\([^/]*\*/.test(glob) || /\(\|*\)[^/]*\(|\([^/]*\(\|*\)/.test(glob)) return true;
  // `!(!(a))b` loses its inner negation's end there: it matches `abb`.
  if (/!\([^)]*!\(/.test(glob)) return true;
  return false;
}

const options = { dot: true, nocomment: true, nonegate: true };
function expectation(glob) {
  const matchers = [];
  if (braceExpand(glob).length > 10000) return null;  // a limit of spoor's
  for (const one of new Minimatch(glob, options).globSet) {
    if (one.endsWith('/')) return null;
    // minimatch's short cut for `*.ext` and `??.ext` compares an escape as it is written.
    if (/(^|\/)[*?]+[^/]*\\/.test(one)) return null;
    if (one === '' || one.startsWith('/')) continue;
    const itself = new Minimatch(one, { ...options, nobrace: true });
    matchers.push(itself);
    if (!itself.hasMagic()) matchers.push(new Minimatch(one + '/**', { ...options, nobrace: true }));
  }
  const spelled = /[[(]/.test(glob) && !/[*?{\\]/.test(glob);
  return (path) => matchers.some((matcher) => matcher.match(path)) || (spelled && path === glob);
}

let input = '';
const expected = [];
let skipped = 0, thrown = 0;
for (const [glob, paths] of patterns) {
  if (outOfScope(glob)) {
    skipped++;
    continue;
  }
  let matches;
  try {
    matches = expectation(glob);
  } catch (error) {
    // A class that needs the u flag beside an escape that the flag forbids.
    if (!(error instanceof SyntaxError)) throw error;
    thrown++;
    continue;
  }
  if (matches === null) {
    skipped++;
    continue;
  }
  const ascii = glob.includes('[:');
  for (const path of paths) {
    // POSIX classes are ASCII here and Unicode there.
    if (ascii && /[^\0-\x7f]/.test(path)) continue;
    input += `${glob}\0${path}\0`;
    expected.push([glob, path, matches(path)]);
  }
}

const run = spawnSync(program, { input, maxBuffer: 1 << 28, encoding: 'utf8' });
if (run.status !== 0) {
  console.error(`${program} failed: ${run.error || run.signal || run.status}\n${run.stderr}`);
  process.exit(1);
}
const answers = run.stdout.split('\n');
let differ = 0, positive = 0;
expected.forEach(([glob, path, want], i) => {
  positive += want;
  if (answers[i] === (want ? '1' : '0')) return;
  if (++differ <= 40) console.log(`pattern ${JSON.stringify(glob)} path ${JSON.stringify(path)}: minimatch ${want}, spoor ${answers[i]}`);
});
console.log(`${expected.length} pairs, ${positive} of them match; ${differ} differ; ` +
  `${patterns.length} patterns, ${skipped} out of scope, ${thrown} that minimatch throws at`);
const enough = expected.length >= 5 * Number(countText) && positive * 10 >= expected.length;
if (!enough) console.log('too few pairs, or too few that match, to say anything');
process.exit(differ === 0 && enough ? 0 : 1);
