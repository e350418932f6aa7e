// graphile-worker, as its page on performance configures it: 24 jobs at once, a local queue of 500, completions in
// batches. The commands are those of the other peers' programs, see programs/common.py.

import fs from "node:fs";
import { performance } from "node:perf_hooks";
import { makeWorkerUtils, run } from "graphile-worker";

const directory = process.env.BENCH_DIRECTORY;
const NAP_MILLISECONDS = 10;
const CHUNK = 5000;

const preset = {
  worker: {
    connectionString: process.env.BENCH_DATABASE_URL,
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
};

const now = () => (performance.timeOrigin + performance.now()) / 1000;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const tell = (jobs, began) => console.log(JSON.stringify({ jobs, seconds: now() - began }));

let done = 0n;
let counter;
const buffer = Buffer.alloc(8);

function count() {
  counter ??= fs.openSync(`${directory}/${process.pid}.count`, "w");
  done += 1n;
  buffer.writeBigInt64LE(done);
  fs.writeSync(counter, buffer, 0, 8, 0);
}

const taskList = {
  noop: async () => count(),
  nap: async () => {
    await sleep(NAP_MILLISECONDS);
    count();
  },
  stamp: async ({ sent }) => {
    const began = now();
    fs.appendFileSync(`${directory}/stamps`, `${sent} ${began}\n`);
    count();
  },
};

const commands = {
  prepare: (utils) => utils.migrate(),
  fill: async (utils, task, jobs) => {
    const began = now();
    for (let start = 0; start < jobs; start += CHUNK) {
      const specs = Array.from({ length: Math.min(CHUNK, jobs - start) }, () => ({ identifier: task }));
      await utils.addJobs(specs);
    }
    tell(Number(jobs), began);
  },
  single: async (utils, seconds) => {
    await utils.addJob("noop");
    const began = now();
    let jobs = 0;
    while (now() - began < seconds) {
      await utils.addJob("noop");
      jobs += 1;
    }
    tell(jobs, began);
  },
  trickle: async (utils, jobs, rate) => {
    const began = now();
    for (let n = 0; n < jobs; n += 1) {
      await sleep(Math.max(0, 1000 * (began + n / rate - now())));
      await utils.addJob("stamp", { sent: now() });
    }
    tell(Number(jobs), began);
  },
};

const [command, ...options] = process.argv.slice(2);
if (command === "work") {
  const runner = await run({ preset, taskList });
  await runner.promise;
} else {
  const utils = await makeWorkerUtils({ preset });
  await commands[command](utils, ...options);
  await utils.release();
}
