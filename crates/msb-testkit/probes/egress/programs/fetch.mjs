// Prints what a server says: fetch.mjs METHOD ADDRESS.
try {
  const answer = await fetch(process.argv[3], { method: process.argv[2], signal: AbortSignal.timeout(8000) });
  process.stdout.write(`${answer.status} ${await answer.text()}`);
} catch (error) {
  console.error(`${error.cause?.code ?? error.name}: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
