// The pages of the service in a real browser: node run.mjs RUNNER [FOLDER FOR SCREENSHOTS]
// A box is made in a temporary folder, with a ledger, ten thousand runs, and a run that goes on.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const repo = resolve(here, '../..');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const runner = resolve(process.argv[2] || 'target/release/runner');
const shots = process.argv[3];
// Long enough for a machine with a load of thirty: nothing here waits for so long when all is well.
const PATIENCE = 120000;
const began = Date.now();
const say = (text) => console.log(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)}s  ${text}`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const failures = [];
const check = (holds, what) => {
  if (!holds) {
    failures.push(what);
    say(`FAIL  ${what}`);
  }
};
const until = async (what, look) => {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${PATIENCE / 1000} s`);
    await sleep(50);
  }
};

const browserPath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));
if (!browserPath) throw new Error('no browser: install Debian\'s chromium, or set CHROMIUM');
if (!existsSync(runner)) throw new Error(`${runner} is not there: make build`);

// The box.
const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pages-'));
const children = [];
const env = { PATH: process.env.PATH, HOME: root, USER: 'tester', NO_COLOR: '1' };
const run = (...words) => execFileSync(runner, words, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE });
const start = (...words) => {
  const log = openSync(join(root, `${words[0]}.out`), 'a');
  const child = spawn(runner, words, { cwd: root, env, stdio: ['ignore', log, log] });
  children.push(child);
  return child;
};
const live = (to) => ['run', 'jobs/live.toml', '-p', 'tag=demo', 'exchange=demo', 'symbol=BTC/USD', 'timeframe=5m', 'feed=synthetic', 'seed=7', 'from=2024-01-01T00:00:00Z', `to=${to}`];

const box = () => {
  writeFileSync(join(root, '.env'), 'DATA_TAG=demo\nCCXT_EXCHANGE=demo\nSYMBOL=BTC/USD\nTIMEFRAME=5m\n');
  for (const name of ['jobs', 'profiles', 'strategies']) cpSync(join(repo, name), join(root, name), { recursive: true });
  // Ten thousand runs are more than a job keeps.
  appendFileSync(join(root, 'profiles/base.toml'), '\n[logs]\nkeep-runs = 20000\nkeep-days = 365\n');
  const talk = 'n=0; while [ $n -lt 40000 ]; do n=$((n+1)); echo "line $n <b>not bold</b>"; [ $((n % 40)) = 0 ] && sleep 0.2; done';
  writeFileSync(join(root, 'jobs/talk.toml'), `manifest = 1\nname = "talk"\nkind = "exec"\ndescription = "Says <script>window.hit = 1</script>"\nextends = ["../profiles/base.toml"]\n[exec]\nrun = ["sh", "-c", '''${talk}''']\n[[schedule]]\non = "start"\n[[schedule]]\ncron = "30 2 * * *"\ntimezone = "Europe/Berlin"\n`);
  writeFileSync(join(root, 'jobs/ask.toml'), `manifest = 1\nname = "ask"\nkind = "pipeline"\n[[step]]\nid = "build"\nrun = ["true"]\n[[step]]\nid = "each"\neach = ["BTC/USD", "ETH/USD"]\nneeds = ["build"]\nrun = ["true", "\${each}"]\n[[step]]\nid = "send"\nneeds = ["each"]\napprove = "Send <b>it</b>?"\nrun = ["sh", "-c", "echo sent > sent"]\n[[schedule]]\non = "start"\n`);
  writeFileSync(join(root, 'jobs/both.toml'), `manifest = 1\nname = "both"\nkind = "exec"\n[params.symbol]\ndefault = "x"\n[matrix]\nsymbol = ["BTC/USD", "ETH/USD"]\n[exec]\nrun = ["true", "\${params.symbol}"]\n`);
  run('pause', 'fetch', '--who', 'tester', '--reason', 'the venue is <b>down</b>');
  run('resume', 'fetch', '--who', 'tester', '--reason', 'it is up');
  run(...live('2024-01-02T12:00:00Z'));
  // A name as long as one may be, which must not make a page wider than a screen.
  run(...live('2024-01-01T02:00:00Z').map((word) => (word === 'tag=demo' ? `tag=${'long_name_'.repeat(5)}` : word)));
  run('run', 'jobs/eqflat.toml', '-p', 'tag=demo', 'exchange=demo', 'symbol=BTC/USD', 'timeframe=5m', 'runid=first');
  run('run', 'jobs/report.toml', '-p', 'tag=demo');
  run('run', 'jobs/made-up.toml', '-p', 'exchange=demo', 'timeframe=4h', 'from=2020-01-01T00:00:00Z', 'to=2020-03-01T00:00:00Z');
  try {
    run('run', 'jobs/demo-sweep.toml', '-p', 'exchange=demo', 'timeframe=4h', 'null-sweeps=1', '--set', 'sweep.min-trades=0', 'sweep.hold-out=0d', 'sweep.over.fast=[2,3]', 'sweep.over.slow=[8,12]');
  } catch (error) {
    // A verdict has its exit code.
    if (![1, 3].includes(error.status)) throw error;
  }
  // A report is a file: whatever somebody wrote into it does not run.
  mkdirSync(join(root, 'data/reports/live/odd'), { recursive: true });
  writeFileSync(join(root, 'data/reports/live/odd/hit.txt'), 'window.hit = 1');
  const scripts = '<script>window.hit = 1</script><script src="/reports/live/odd/hit.txt"></script><img src=x onerror="window.hit = 1"><a href="javascript:window.hit = 1">a</a>';
  writeFileSync(join(root, 'data/reports/live/odd/report.html'), `<!DOCTYPE html><html lang="en"><head><title>odd</title></head><body>${scripts}</body></html>`);
  const hostile = `"'><script>window.hit = 1</script><img src=x onerror="window.hit = 1"> \u202e`;
  writeFileSync(join(root, 'rows.py'), `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
begun = (int(time.time()) // 60 - 20000) * 60000
states = ["succeeded", "succeeded", "failed", "missed", "flaky", "timed_out"]
rows = [(f"r{n:05}", "fetch" if n % 3 else "exec", "exec", states[n % 6], begun + n * 60000, begun + n * 60000 + 900, 0, ${JSON.stringify(hostile)} if n % 50 == 0 else "done", "b") for n in range(10000)]
db.executemany("INSERT INTO runs (run_id, job, kind, state, started_ms, ended_ms, exit_code, summary, build) VALUES (?,?,?,?,?,?,?,?,?)", rows)
db.commit()
`);
  execFileSync('python3', ['rows.py', join(root, 'data/runs/runs.sqlite')], { cwd: root });
};

const main = async () => {
  say(`the box, in ${root}`);
  box();
  start('serve', '--operate', '--listen', '127.0.0.1:0');
  const tick = join(root, 'data/state/scheduler.json');
  const base = await until('the service listens', () => {
    try {
      return `http://${JSON.parse(readFileSync(tick, 'utf8')).listen}`;
    } catch {
      return null;
    }
  });
  say(`the service, at ${base}`);
  const browser = await chromium.launch({ executablePath: browserPath, args: process.getuid() === 0 ? ['--no-sandbox'] : [], timeout: PATIENCE });
  const open = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.said = [];
    page.weight = 0;
    page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) page.said.push(message.text()); });
    page.on('pageerror', (error) => page.said.push(error.message));
    page.on('response', async (answer) => { if (!answer.url().endsWith('/live')) page.weight += (await answer.body().catch(() => '')).length; });
    return page;
  };
  const api = async (path) => (await fetch(base + path)).json();
  const loop = '/loops/demo/BTC_USD/5m';
  const finished = (await api('/api/v1/runs?job=eqflat&limit=1')).runs[0].run_id;
  const sweep = (await api('/api/v1/sweeps')).sweeps[0].id;
  const asks = await until('a step waits', async () => (await api('/api/v1/status')).runs.find((one) => one.asks.length > 0));
  const pages = ['/', '/sweeps', `/sweeps/${sweep}`, '/act?do=flatten&of=demo', loop, `${loop}/why`, '/runs', `/runs/${finished}`, '/runs/r00050', `/runs/${asks.run_id}`, `/act?do=approve&of=${asks.run_id}&step=send`, '/jobs/ask', '/jobs', '/jobs/talk', '/jobs/fetch', '/jobs/both', '/act?do=run&of=both', '/jobs/demo', '/reports', '/reports/live/demo', '/reports/eqflat/demo/first/proof.json', '/proofs', '/compare', '/compare?a=demo&b=demo_bt_first'];

  say('each page, wide and narrow, dark and light');
  for (const width of [1440, 390]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await open({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' });
      for (const path of pages) {
        const where = `${path} at ${width} ${colorScheme}`;
        page.said = [];
        page.weight = 0;
        const answer = await page.goto(base + path);
        check(answer.status() === 200, `${where}: status ${answer.status()}`);
        if (path === loop) await page.waitForSelector('.chart[data-ready]');
        const [wide, is] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
        check(wide <= is, `${where}: ${wide} pixels wide`);
        await page.evaluate(axe);
        const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
        for (const one of found.violations) check(false, `${where}: axe ${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(' | ')}`);
        check(page.said.length === 0, `${where}: the console says ${page.said.join('; ')}`);
        check(page.weight < 150000, `${where}: ${page.weight} bytes`);
        check(!(await page.evaluate(() => window.hit)), `${where}: a script of others ran`);
      }
      await page.context().close();
    }
  }

  say('the chart: drawn, zoomed, moved, by keys');
  const page = await open();
  await page.goto(base + loop);
  await page.waitForSelector('.chart[data-ready]');
  const drawn = () => page.evaluate(() => Number(document.querySelector('.chart').dataset.drawn));
  const said = () => page.textContent('#chart-says');
  check((await drawn()) >= 285, `the chart drew ${await drawn()} bars of a day`);
  check(/^28\d bars of 5m drawn, .* entr/.test(await said()), `it says: ${await said()}`);
  check(await page.evaluate(() => {
    const canvas = document.querySelector('canvas.price');
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(Array.from({ length: pixels.length / 4 }, (_, n) => pixels.slice(n * 4, n * 4 + 4).join())).size > 5;
  }), 'the canvas is not empty');
  await page.click('[data-zoom="0.5"]');
  check((await drawn()) < 200, `closer: ${await drawn()} bars`);
  await page.click('[data-range="0"]');
  await until('all of it', async () => (await drawn()) > 288);
  await page.click('[data-range="21600000"]');
  const before = await said();
  await page.click('[data-move="-1"]');
  check((await said()) !== before, 'it moved');
  const canvas = page.locator('canvas.price');
  const place = await canvas.boundingBox();
  await page.mouse.move(place.x + 300, place.y + 100);
  await page.mouse.down();
  await page.mouse.move(place.x + 500, place.y + 100, { steps: 5 });
  const dragged = await said();
  await page.mouse.up();
  check(dragged !== before, 'it was dragged');
  check(!(await page.locator('dialog#why').isVisible()), 'dragging asks nothing');
  await page.mouse.wheel(0, -300);
  await until('the wheel zooms', async () => (await said()) !== dragged);
  await page.click('[data-range="86400000"]');
  await page.waitForTimeout(400);
  await canvas.focus();
  const cursor = () => page.evaluate(() => Number(document.querySelector('.chart').dataset.cursor));
  await page.keyboard.press('ArrowLeft');
  const first = await cursor();
  await page.keyboard.press('ArrowLeft');
  check((await cursor()) === first - 300000, 'left is a bar back');
  check(/open .* high .* low .* close/.test(await page.textContent('.readout')), 'the numbers of the bar are said');
  await page.keyboard.press('Shift+T');
  check((await cursor()) < first - 300000, 'T finds a trade');
  await page.keyboard.press('PageUp');
  await page.waitForTimeout(400);
  check(!(await said()).includes('drawn, 2024-01-01 12:00'), 'a day back');
  await page.keyboard.press('End');

  say('why');
  await page.waitForTimeout(400);
  await canvas.focus();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog#why[open] article.why');
  check((await page.textContent('dialog#why')).includes('ema_cross_up'), 'the rules are in it');
  await page.keyboard.press('Escape');
  await page.mouse.click(place.x + 400, place.y + 150);
  await page.waitForSelector('dialog#why[open] article.why');
  await page.keyboard.press('Escape');
  check(page.said.length === 0, `the console says ${page.said.join('; ')}`);

  say('a live row');
  const rows = () => page.locator('table.decisions tbody tr').count();
  await until('the stream', async () => (await page.textContent('.live-state')).startsWith('Live'));
  const newest = () => page.evaluate(() => Number(document.querySelector('table.decisions tbody tr').dataset.ts));
  const last = await newest();
  run(...live('2024-01-02T12:10:00Z'));
  const written = Date.now();
  await until('the new rows', async () => (await newest()) >= last + 600000);
  say(`      ${Date.now() - written} ms after the loop had ended`);
  check((await rows()) === 100, 'as many rows as before');

  say('an act');
  const commands = () => readFileSync(join(root, 'data/processed/commands/demo.csv'), 'utf8').trim().split('\n').slice(1);
  const token = readFileSync(join(root, 'data/state/operate.token'), 'utf8').trim();
  await page.click('.acts a:has-text("Halt")');
  check(page.url().includes('/act?do=halt&of=demo'), `it asks first: ${page.url()}`);
  await page.fill('input[name=reason]', 'a look, <b>says</b> the test');
  await page.fill('input[name=who]', 'tester');
  await page.fill('input[name=token]', 'wrong');
  await page.click('form.act button');
  check((await page.textContent('main')).includes('not the token'), 'a wrong token is refused');
  check(!existsSync(join(root, 'data/processed/commands/demo.csv')), 'nothing was ordered');
  await page.goto(`${base}/act?do=halt&of=demo`);
  await page.fill('input[name=reason]', 'a look, <b>says</b> the test');
  await page.fill('input[name=who]', 'tester');
  await page.fill('input[name=token]', token);
  await page.click('form.act button');
  check((await page.textContent('main')).includes('halt for tag demo: takes effect'), await page.textContent('main'));
  check(commands().length === 1 && commands()[0].includes('halt') && commands()[0].endsWith('tester'), commands().join());
  await page.reload();
  check(commands().length === 1, 'a form that is sent again orders nothing more');
  page.said = [];

  say('a step that waits');
  await page.goto(`${base}/`);
  check((await page.textContent('#going')).includes('Send <b>it</b>?'), 'the box says what waits');
  await page.click('#going a:has-text("answer")');
  check(await page.locator('table.steps tbody tr').count() === 5, 'each step and item has a row');
  await page.click('.asks a:has-text("Approve send")');
  await page.fill('input[name=reason]', 'looked at');
  await page.fill('input[name=who]', 'tester');
  await page.fill('input[name=token]', token);
  check(!existsSync(join(root, 'sent')), 'it waits');
  await page.click('form.act button');
  check((await page.textContent('main')).includes('approved by tester'), await page.textContent('main'));
  await until('it goes on', async () => (await api(`/api/v1/runs/${asks.run_id}`)).state === 'succeeded');
  check(existsSync(join(root, 'sent')), 'the step ran');
  await page.goto(`${base}/runs/${asks.run_id}`);
  check((await page.textContent('table.steps')).includes('approved by tester: looked at'), 'who approved it is kept');

  say('a matrix as a whole');
  await page.goto(`${base}/jobs/both`);
  await page.click('.acts a:has-text("Run now")');
  check((await page.textContent('main')).includes('all 2 jobs of the matrix'), await page.textContent('main'));
  await page.fill('input[name=reason]', 'both of them');
  await page.fill('input[name=who]', 'tester');
  await page.fill('input[name=token]', token);
  await page.click('form.act button');
  check((await page.textContent('main')).includes('1 more start'), await page.textContent('main'));
  const ended = async (job) => (await api(`/api/v1/runs?job=${job}`)).runs.filter((one) => one.state === 'succeeded').length;
  for (const job of ['both.BTC_USD', 'both.ETH_USD']) await until(`${job} ran`, async () => (await ended(job)) === 1);
  await page.goto(`${base}/jobs/fetch`);
  check((await page.textContent('table.pauses')).includes('tester: it is up'), 'who resumed it, and why');

  say('a report: sorted, and nothing of others in it runs');
  await page.goto(`${base}/reports/live/demo`);
  const shares = await page.evaluate(() => [...document.querySelectorAll('table.groups td.bar svg')].map((one) => one.clientWidth / one.parentElement.clientWidth));
  check(shares.length > 5 && shares.every((share) => share > 0.9), `a bar is as wide as its cell: ${shares.slice(0, 3)}`);
  const results = async () => (await page.locator('table.trades tbody tr td:last-child').allTextContents()).map((text) => Number(text.replace(/[\s\u202f]/g, '').replace('\u2212', '-')));
  const unsorted = await results();
  check(unsorted.length > 3 && unsorted.every(Number.isFinite), `results of trades: ${unsorted}`);
  for (const order of [(a, b) => b - a, (a, b) => a - b]) {
    await page.click('table.trades thead button:has-text("result")');
    check(String(await results()) === String([...unsorted].sort(order)), `sorted: ${await results()}`);
  }
  await page.goto(`${base}/reports/live/odd`);
  await page.waitForTimeout(300);
  check(!(await page.evaluate(() => window.hit)), 'a script in a report ran');
  page.said = [];

  say('filters and keys');
  await page.goto(`${base}/runs`);
  await page.keyboard.press('/');
  check(await page.evaluate(() => document.activeElement.name) === 'job', '/ goes to the filter');
  await page.selectOption('select[name=job]', 'fetch');
  await page.selectOption('select[name=state]', 'failed');
  await page.click('form.filter button');
  check((await page.locator('p.lead, p.none').count()) === 1 && page.url().includes('state=failed'), 'it was filtered');
  for (const wanted of ['timed_out', 'failed']) {
    await page.goto(`${base}/runs?job=fetch&state=${wanted}`);
    const states = await page.locator('table.runs tbody tr').allTextContents();
    check(states.length > 0, `there are ${wanted} runs`);
    check(states.every((row) => row.includes('fetch') && row.includes(wanted.replace('_', ' '))), `only ${wanted} runs of one job`);
  }
  const paged = Date.now();
  await page.goto(`${base}/runs?page=150`);
  const lead = await page.textContent('p.lead, p.none');
  check(lead.includes('7\u202f451 to'), lead);
  say(`      page 150 of 10,000 runs in ${Date.now() - paged} ms`);
  await page.goto(`${base}/jobs`);
  await page.keyboard.press('/');
  await page.keyboard.type('eqflat');
  check(await page.locator('table.jobs tbody tr:visible').count() < 4, 'rows without the text are hidden');

  say('a long log');
  const talks = (await api('/api/v1/runs?job=talk&limit=1')).runs[0];
  await page.goto(`${base}/runs/${talks.run_id}`);
  const lines = () => page.locator('.log[aria-label=output] li').count();
  await until('lines of the output', async () => (await lines()) > 0);
  if (talks.state === 'running') {
    const seen = await lines();
    await until('more lines', async () => (await lines()) > seen || (await api(`/api/v1/runs/${talks.run_id}`)).state !== 'running');
    say(`      ${seen} lines, then ${await lines()}`);
  }
  check((await page.textContent('.log[aria-label=output] li')).includes('<b>not bold</b>'), 'lines are texts');

  say('scripts off');
  const plain = await open({ javaScriptEnabled: false });
  for (const [path, wanted] of [['/', 'table.loops tbody tr'], [loop, 'table.decisions tbody tr'], [`${loop}/why`, '.clauses li'], ['/runs', 'table.runs tbody tr'], ['/jobs', 'table.jobs tbody tr'], ['/proofs', 'tbody tr'], ['/compare?a=demo&b=demo_bt_first', 'svg.plot path.own']]) {
    await plain.goto(base + path);
    check(await plain.locator(wanted).count() > 0, `${path} without scripts has ${wanted}`);
  }

  if (shots) {
    say(`screenshots, in ${shots}`);
    mkdirSync(shots, { recursive: true });
    const shot = async (name, path, width, colorScheme, height = 820) => {
      const one = await open({ viewport: { width, height }, colorScheme });
      await one.goto(base + path);
      if (path.startsWith('/loops/') && !path.includes('why')) await one.waitForSelector('.chart[data-ready]');
      await one.waitForTimeout(500);
      await one.screenshot({ path: join(shots, `${name}.png`) });
      await one.context().close();
    };
    await shot('box', '/', 1100, 'light', 700);
    await shot('loop', loop, 1100, 'light', 760);
    await shot('loop-dark-narrow', loop, 390, 'dark', 760);
    await shot('act', '/act?do=flatten&of=demo', 900, 'light', 560);
    await shot('report', '/reports/live/demo', 1100, 'light', 900);
    await shot('why', `${loop}/why`, 900, 'light', 640);
    await shot('runs', '/runs?state=failed', 1100, 'dark', 600);
  }
  await browser.close();
};

let broken = null;
try {
  await main();
} catch (error) {
  broken = error;
  for (const name of ['serve.out', 'run.out']) if (existsSync(join(root, name))) console.error(readFileSync(join(root, name), 'utf8'));
} finally {
  for (const child of children) child.kill('SIGTERM');
  await sleep(1000);
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
}
if (broken) {
  console.error(broken);
  process.exit(1);
}
say(failures.length ? `${failures.length} failures` : 'passed');
process.exit(failures.length ? 1 : 0);
