// A cluster of the demo, from its data directory: sessions over psql, and its postmaster stopped, killed, started.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { until } from './wait.mjs';

/** How long a postmaster may take to stop or to start. */
const POSTMASTER_S = 60;
const END_OF_ANSWER = '--- end of answer ---';

/** A zombie has ended; only its parent has not heard of it. */
export function isAlive(pid) {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  const state = stdout.trim();
  return state !== '' && !state.startsWith('Z');
}

export class Cluster {
  constructor(data) {
    this.data = data;
  }

  /** Process id, socket directory and port, as the postmaster wrote them down; null when it is not running. */
  postmaster() {
    const path = join(this.data, 'postmaster.pid');
    if (!existsSync(path)) return null;
    const [pid, , , port, socket] = readFileSync(path, 'utf8').split('\n');
    return { pid: Number(pid), port: Number(port), socket };
  }

  /** The postmaster's command, as it was started last. */
  command() {
    const text = readFileSync(join(this.data, 'postmaster.opts'), 'utf8');
    const [program, ...rest] = text.trim().split(' "');
    return [program, ...rest.map((word) => word.replace(/"$/, ''))];
  }

  session(database = 'postgres') {
    const { port, socket } = this.postmaster();
    const beside = join(dirname(this.command()[0]), 'psql');
    return new Session(existsSync(beside) ? beside : 'psql', `host=${socket} port=${port} user=postgres dbname=${database}`);
  }

  /** Statements in a session of their own; the rows of the answer, one text each. */
  async query(sql, database = 'postgres') {
    const session = this.session(database);
    try {
      return await session.run(sql);
    } finally {
      session.end();
    }
  }

  /** Stops it as a fast shutdown does, or in another way by signal. */
  async stop(signal = 'SIGINT') {
    const { pid } = this.postmaster();
    process.kill(pid, signal);
    await until(`the postmaster in ${this.data} has ended`, POSTMASTER_S, () => !isAlive(pid));
  }

  /** Starts it as it was started before, as the account that its files belong to. */
  async start() {
    if (this.postmaster() !== null && isAlive(this.postmaster().pid)) return;
    const [program, ...words] = this.command();
    const { uid, gid } = statSync(this.data);
    const child = spawn(program, words, { cwd: this.data, uid, gid, detached: true, stdio: 'ignore' });
    child.unref();
    await until(`the postmaster in ${this.data} takes connections`, POSTMASTER_S, () => {
      const path = join(this.data, 'postmaster.pid');
      return existsSync(path) && /^ready/m.test(readFileSync(path, 'utf8'));
    });
  }
}

/** A psql that stays connected. */
class Session {
  constructor(program, dsn) {
    const words = ['--no-psqlrc', '--quiet', '--no-align', '--tuples-only', '--set=ON_ERROR_STOP=1', `--dbname=${dsn}`];
    this.child = spawn(program, words, { env: { ...process.env, PGAPPNAME: 'bad day' }, stdio: 'pipe' });
    this.said = '';
    this.errors = '';
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.said += text;
      if (this.said.includes(END_OF_ANSWER)) this.answered?.(true);
    });
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.errors += text));
    // A session whose server dies cannot be written to; `run` says so.
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.child.on('error', resolve);
      this.child.on('exit', resolve);
    });
  }

  /** Runs statements and waits for their end; the lines that they answered. */
  async run(sql) {
    this.said = '';
    const answered = new Promise((resolve) => (this.answered = resolve));
    this.child.stdin.write(`${sql};\n\\echo ${END_OF_ANSWER}\n`);
    const done = await Promise.race([answered, this.ended.then(() => false)]);
    if (!done) throw new Error(`psql ended in "${sql}": ${this.errors.trim()}`);
    return this.said.slice(0, this.said.indexOf(END_OF_ANSWER)).split('\n').filter((line) => line !== '');
  }

  end() {
    this.child.stdin.end();
  }
}
