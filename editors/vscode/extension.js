// Starts `msbc lsp` for .msb files. Everything else is the server's.

const vscode = require('vscode');
const { LanguageClient, TransportKind } = require('vscode-languageclient/node');

/** @type {import('vscode-languageclient/node').LanguageClient | undefined} */
let client;

async function activate() {
  const command = vscode.workspace.getConfiguration('msb').get('command') || 'msbc';
  const server = { command, args: ['lsp'], transport: TransportKind.stdio };
  const options = { documentSelector: [{ language: 'msb' }] };
  client = new LanguageClient('msb', 'Microsandbox policies', server, options);
  try {
    await client.start();
  } catch (error) {
    vscode.window.showErrorMessage(
      `Cannot start "${command} lsp": ${error instanceof Error ? error.message : error}. Install msbc, or say where it is in the setting msb.command.`,
    );
  }
}

function deactivate() {
  return client && client.stop();
}

module.exports = { activate, deactivate };
