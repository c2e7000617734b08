// Starts the server as extension.js does and speaks with it as the client of Visual Studio Code would: `npm test`.
// MSBC names the command where it is not on the PATH.

const { spawn } = require('node:child_process');
const assert = require('node:assert');
const rpc = require('vscode-jsonrpc/node');

async function main() {
  const server = spawn(process.env.MSBC || 'msbc', ['lsp'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => server.on('exit', resolve));
  const connection = rpc.createMessageConnection(
    new rpc.StreamMessageReader(server.stdout),
    new rpc.StreamMessageWriter(server.stdin),
  );
  const found = new Promise((resolve) => connection.onNotification('textDocument/publishDiagnostics', resolve));
  connection.listen();
  const { capabilities } = await connection.sendRequest('initialize', {
    processId: process.pid,
    rootUri: null,
    capabilities: { general: { positionEncodings: ['utf-16'] } },
  });
  assert.equal(capabilities.positionEncoding, 'utf-16');
  assert.ok(capabilities.hoverProvider && capabilities.completionProvider && capabilities.codeActionProvider);
  connection.sendNotification('initialized', {});
  const text = 'edition 2026\npolicy p { limits { memory 512 } }\n';
  connection.sendNotification('textDocument/didOpen', {
    textDocument: { uri: 'file:///policy.msb', languageId: 'msb', version: 1, text },
  });
  const { diagnostics } = await found;
  assert.ok(diagnostics.some((it) => it.code === 'MSB0003'), JSON.stringify(diagnostics));
  await connection.sendRequest('shutdown');
  connection.sendNotification('exit');
  assert.equal(await ended, 0);
  console.log('msbc lsp starts, finds and ends');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
