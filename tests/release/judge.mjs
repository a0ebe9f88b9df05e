// Judges release packages with the page's own logic: a line of JSON in, a line of JSON out.
// node judge.mjs VERIFY_JS   stdin: {"folder", "key", "whole", "only": [names] or null}
import { openAsBlob, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { verifyRelease } = await import(pathToFileURL(process.argv[2]).href);

for await (const line of createInterface({ input: process.stdin })) {
  const { folder, key, whole, only } = JSON.parse(line);
  const paths = only ?? readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));
  const files = await Promise.all(paths.map(async (path) => ({ path, blob: await openAsBlob(join(folder, path)) })));
  const { verdict, findings, steps, fingerprint, why } = await verifyRelease(files, key, { whole });
  console.log(JSON.stringify({ verdict, findings, fingerprint, why, results: steps.map((step) => step.result), said: steps.map((step) => step.said) }));
}
