// A demo of our own: started, its parts found, its API asked, its way to the server cut, ended.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, isAlive } from './postgresql.mjs';
import { pause, until } from './wait.mjs';

/** Seconds between two readings, and between two deliveries, of the demo's collector. */
export const INTERVAL_S = 5;
/** The least that a spool may be bounded to: the demo fills it in minutes. */
const SPOOL_BYTES = 1024 * 1024;
const START_S = 180;
const STOP_S = 120;
/** A busy machine takes a while to initdb three clusters and to read them all for the first time. */
const FIRST_READING_S = 120;

export class Demo {
  static async start(binary, dataDir) {
    const demo = new Demo();
    demo.temporary = dataDir === undefined;
    // Where the account that runs PostgreSQL for root can pass.
    demo.directory = dataDir ?? mkdtempSync(join(tmpdir(), 'pga-bad-day-'));
    if (demo.temporary) chmodSync(demo.directory, 0o755);
    const said = `${demo.directory.replace(/\/$/, '')}.out`;
    demo.said = said;
    // Terminals signal a whole group: the demo is to be ended by us, after everything is mended.
    demo.child = spawn(binary, ['demo', '--data-dir', demo.directory], {
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', openSync(said, 'w'), openSync(`${said}.progress`, 'w')],
      detached: true,
    });
    demo.child.on('error', () => {});
    await until(`the demo is up (its words: ${said}.progress)`, START_S, () => {
      if (demo.child.exitCode !== null) throw new Error(`the demo ended: ${demo.progress()}`);
      return /^password \S+\n/m.test(readFileSync(said, 'utf8'));
    });
    const text = readFileSync(said, 'utf8');
    demo.address = text.split('\n')[0].replace(/\/$/, '');
    demo.password = /^password (\S+)$/m.exec(text)[1];
    demo.primary = new Cluster(join(demo.directory, 'primary'));
    demo.standby = new Cluster(join(demo.directory, 'standby'));
    demo.store = new Cluster(join(demo.directory, 'server', 'postgresql'));
    await demo.narrow();
    await until('both instances are read', FIRST_READING_S, async () => {
      const instances = await demo.instances();
      return instances.length === 2 && instances.every((one) => one.state !== 'no_data' && one.data_age_ms !== null);
    });
    return demo;
  }

  /** Lets the collector deliver through a way that we can cut, from a spool that fills within minutes. */
  async narrow() {
    this.way = await Way.to(new URL(this.address).port);
    const path = join(this.directory, 'collector.toml');
    const config = readFileSync(path, 'utf8')
      .replace(/^url = .*$/m, `url = "http://127.0.0.1:${this.way.port}"`)
      .replace(/^\[collector\]$/m, `[collector]\nspool_max_bytes = ${SPOOL_BYTES}`);
    writeFileSync(path, config);
    const before = this.collector();
    process.kill(before, 'SIGKILL');
    await until('the collector is started again', START_S, () => this.collector() !== before);
  }

  /** The process id of its collector. */
  collector() {
    return Number(readFileSync(join(this.directory, 'collector.pid'), 'utf8').split(' ')[0]);
  }

  /** The files of its collector's spool, oldest first. */
  spooled() {
    return readdirSync(join(this.directory, 'collector', 'spool')).filter((name) => name.endsWith('.log')).sort();
  }

  /** An answer of the API; null while the server has none. */
  async get(path) {
    const ask = () => this.fetch(path, { headers: { authorization: `Bearer ${this.token}` } });
    this.token ??= await this.signIn();
    let answer = this.token === null ? null : await ask();
    if (answer?.status === 401) {
      // A token lasts for minutes, a bad day for an hour.
      this.token = await this.signIn();
      answer = await ask();
    }
    // Pages and script are one user to the server, who may ask so often and no more.
    for (; answer?.status === 429; answer = await ask()) await pause(1000);
    return answer?.ok ? answer.json() : null;
  }

  async signIn() {
    const body = JSON.stringify({ username: 'admin', password: this.password });
    const headers = { 'content-type': 'application/json' };
    const answer = await this.fetch('/auth/login', { method: 'POST', headers, body });
    return answer?.ok ? (await answer.json()).access_token : null;
  }

  fetch(path, options = {}) {
    return fetch(`${this.address}/api/v1${path}`, { ...options, signal: AbortSignal.timeout(10_000) }).catch(() => null);
  }

  /** The instances, as the fleet has them. */
  async instances() {
    return (await this.get('/instances?page_size=100'))?.data ?? [];
  }

  async instance(name) {
    return (await this.instances()).find((one) => one.name === name) ?? null;
  }

  progress() {
    return readFileSync(`${this.said}.progress`, 'utf8');
  }

  /** Ends it as Ctrl-C does. */
  async stop() {
    this.way?.close();
    if (this.child.exitCode === null && this.child.pid !== undefined) {
      this.child.kill('SIGINT');
      await until('the demo has ended', STOP_S, () => this.child.exitCode !== null || !isAlive(this.child.pid));
    }
    if (this.temporary) {
      for (const path of [this.directory, this.said, `${this.said}.progress`]) rmSync(path, { recursive: true, force: true });
    }
  }
}

/** A TCP way to a local port: while it is cut, whoever takes it is refused, as by a server that is stopped. */
class Way {
  static async to(port) {
    const way = new Way();
    way.target = Number(port);
    way.sockets = new Set();
    await way.open();
    return way;
  }

  async open() {
    this.server = net.createServer((from) => {
      const to = net.connect(this.target, '127.0.0.1');
      for (const [one, other] of [[from, to], [to, from]]) {
        this.sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port ?? 0, '127.0.0.1', resolve);
    });
    this.port = this.server.address().port;
  }

  close() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
