// scripts/bad-day: plays faults on a demo, one after the other, and prints when each was told, where, and in which words.
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Demo, INTERVAL_S } from './bad-day/demo.mjs';
import { FAULTS } from './bad-day/faults.mjs';
import { Pages, REFRESH_S } from './bad-day/pages.mjs';
import { pause, until } from './bad-day/wait.mjs';

/** A sentence of an earlier fault, or of the demo's own play, may stand a while longer: it is not taken for ours. */
const QUIET_S = 900;
/** How long an instance may take to be known again after what was played before. */
const KNOWN_S = 120;
/** How often a page is looked at, and the API: the demo's server takes 100 requests a minute of one user. */
const LOOK_EVERY_MS = { page: 500, API: 2500 };
/** How much of a place's words is printed when they are not the wanted ones. */
const SAID_LENGTH = 160;
/** What a healthy instance has for reasons, so that it is not mistaken for no answer. */
const NO_REASON = 'nothing';

const say = (text) => process.stdout.write(`${text}\n`);
const clock = (ms) => new Date(ms).toISOString().slice(11, 19);
const message = (error) => (error instanceof Error ? error.message : String(error));

/** Where a reader, or a script, looks: the words that stand there, on one line. */
function places(demo, pages, fault, id) {
  const reasons = (instance) => (instance == null ? '' : instance.reasons.join(' ') || NO_REASON);
  return {
    'API, fleet': async () => reasons(await demo.instance(fault.instance)),
    'API, instance': async () => reasons(await demo.get(`/instances/${id}`)),
    'fleet page': () => Pages.text(pages.fleet),
    "instance's page": () => Pages.text(pages.instance),
  };
}

/** Reading and delivery take an interval each; an open page asks anew every so often, and so do we. */
function bound(place, seconds) {
  return seconds + 2 * INTERVAL_S + (place.startsWith('API') ? LOOK_EVERY_MS.API / 1000 : REFRESH_S);
}

/** Looks at every place until its words are as wanted or the time is over: after how many seconds, and what it said. */
async function look(all, since, seconds, found) {
  const one = async ([place, read]) => {
    for (;;) {
      const text = await read();
      const match = found(text);
      const after = (Date.now() - since()) / 1000;
      if (match) return [place, { after, text, match, late: after > bound(place, seconds) }];
      // A little patience beyond the bound tells "late" from "never".
      if (after > 2 * bound(place, seconds)) return [place, { after: null, text, match: null, late: true }];
      await pause(place.startsWith('API') ? LOOK_EVERY_MS.API : LOOK_EVERY_MS.page);
    }
  };
  return Object.fromEntries(await Promise.all(Object.entries(all).map(one)));
}

/** Plays one fault; what came of it, with everything that was wrong. */
async function play(demo, pages, fault) {
  const result = { fault, at: Date.now(), wrong: [], told: {}, gone: {} };
  try {
    await throughout(demo, pages, fault, result);
  } catch (error) {
    // The day goes on: what is broken for good shows in what follows.
    result.wrong.push(message(error));
  }
  return result;
}

async function throughout(demo, pages, fault, result) {
  const known = await until(`${fault.instance} is known`, KNOWN_S, () => demo.instance(fault.instance));
  await pages.turnTo(known.id);
  const all = places(demo, pages, fault, known.id);
  if (fault.words instanceof RegExp) {
    await until('nothing like it is told', QUIET_S, async () => !fault.words.test(await all['API, fleet']()));
  }
  const facts = await fault.inject(demo);
  const words = typeof fault.words === 'function' ? fault.words(facts) : fault.words;
  result.at = facts.since;
  try {
    if (words !== undefined) {
      result.told = await look(all, () => facts.since, fault.rule, (text) => words.exec(text));
      result.at = facts.since;
      await judge(demo, fault, facts, result);
    }
  } finally {
    await fault.mend(demo, facts);
  }
  if (fault.goes !== undefined) {
    const mended = Date.now();
    const where = Object.fromEntries(Object.entries(all).filter(([place]) => result.told[place].match !== null));
    // An answer that failed is empty, and tells nothing.
    result.gone = await look(where, () => mended, fault.goes, (text) => text !== '' && !words.test(text));
    for (const [place, { after, text, match, late }] of Object.entries(result.gone)) {
      if (!match) result.wrong.push(`does not go away: ${place}, which says "${text.slice(0, SAID_LENGTH)}"`);
      else if (late) result.wrong.push(`goes away late: ${place}, after ${after.toFixed(0)} s`);
    }
  }
  result.wrong.push(...((await fault.afterwards?.(demo, facts)) ?? []));
}

/** What is missing, late or untrue in what was told. */
async function judge(demo, fault, facts, result) {
  for (const [place, { after, text, match, late }] of Object.entries(result.told)) {
    if (match === null) {
      result.wrong.push(`not told: ${place}, which says "${text.slice(0, SAID_LENGTH)}"`);
      continue;
    }
    if (late) result.wrong.push(`told late: ${place}, after ${after.toFixed(0)} s`);
    const lies = await fault.lies(match.groups ?? {}, facts, demo);
    result.wrong.push(...lies.map((lie) => `untrue on ${place}: ${lie} ("${match[0]}")`));
  }
}

function report(result) {
  const { fault, at, told, gone, wrong } = result;
  say(`\n${fault.name}: ${fault.what} (${clock(at)} UTC)`);
  const seconds = (one) => (one.after === null ? 'never' : `${one.after.toFixed(0)} s`);
  for (const [place, one] of Object.entries(told)) {
    const limit = `within ${bound(place, fault.rule)} s`;
    const leaves = gone[place] === undefined ? '' : `; gone after ${seconds(gone[place])}`;
    say(`  ${place.padEnd(16)} ${seconds(one).padStart(6)}  (${limit})  ${one.match === null ? '' : one.match[0]}${leaves}`);
  }
  if (Object.keys(told).length === 0) say('  nothing is to be told');
  for (const one of wrong) say(`  WRONG: ${one}`);
}

function summary(results) {
  say(`\n${'fault'.padEnd(18)}${'at'.padEnd(10)}${'API'.padStart(6)}${'fleet'.padStart(8)}${'page'.padStart(8)}  outcome`);
  for (const { fault, at, told, wrong } of results) {
    const seconds = (place) => (told[place]?.after == null ? '–' : told[place].after.toFixed(0));
    const columns = [seconds('API, fleet').padStart(6), seconds('fleet page').padStart(8), seconds("instance's page").padStart(8)];
    const well = fault.words === undefined ? 'unharmed' : 'told';
    const outcome = wrong.length === 0 ? well : `WRONG: ${wrong.map((one) => one.split(/[,(]/)[0]).join('; ')}`;
    say(`${fault.name.padEnd(18)}${clock(at).padEnd(10)}${columns.join('')}  ${outcome}`);
  }
  const bad = results.filter((one) => one.wrong.length > 0).length;
  say(`\n${results.length} faults, ${bad === 0 ? 'each told in time and truly' : `${bad} not as they should be`}`);
  return bad;
}

const { values } = parseArgs({
  options: {
    fault: { type: 'string', multiple: true },
    minutes: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    binary: { type: 'string', default: process.env.BINARY },
    'data-dir': { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});
if (values.list) {
  for (const { name, what } of FAULTS) say(`${name.padEnd(18)} ${what}`);
  process.exit(0);
}
const unknown = values.fault?.filter((name) => !FAULTS.some((fault) => fault.name === name)) ?? [];
const [rounds, minutes] = [Number(values.rounds), values.minutes === undefined ? null : Number(values.minutes)];
if (unknown.length > 0 || !(rounds >= 1) || (minutes !== null && !(minutes > 0))) {
  process.stderr.write(`bad-day: --fault is one of ${FAULTS.map((fault) => fault.name).join(', ')}; --rounds and --minutes are numbers\n`);
  process.exit(2);
}
const chosen = values.fault === undefined ? FAULTS : values.fault.map((name) => FAULTS.find((fault) => fault.name === name));
if (values['data-dir'] !== undefined) mkdirSync(values['data-dir'], { recursive: true });

let demo = null;
let pages = null;
let interrupted = false;
const results = [];
const interrupt = () => {
  say('interrupted: the fault that is being played is still mended');
  interrupted = true;
};
process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
let failure = null;
try {
  const began = Date.now();
  demo = await Demo.start(values.binary, values['data-dir']);
  say(`the demo is up at ${demo.address} after ${((Date.now() - began) / 1000).toFixed(0)} s`);
  pages = await Pages.open(demo);
  const more = (round) => (minutes === null ? round < rounds : Date.now() - began < minutes * 60_000);
  for (let round = 0; more(round) && !interrupted; round += 1) {
    for (const fault of chosen) {
      if (interrupted || (round > 0 && !more(round))) break;
      const result = await play(demo, pages, fault);
      report(result);
      results.push(result);
    }
  }
} catch (error) {
  failure = error;
} finally {
  await pages?.close().catch(() => {});
  await demo?.stop().catch((error) => (failure ??= error));
}
const bad = summary(results);
if (failure !== null) process.stderr.write(`bad-day: ${message(failure)}\n`);
process.exit(failure !== null ? 2 : bad > 0 ? 1 : 0);
