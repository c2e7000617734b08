-- A session of Neovim with `msbc lsp`: what its own client, written by nobody here, makes of the server.
-- nvim --headless -u NONE -l is not in 0.7, so it is `-S nvim.lua`; what was seen goes to $SEEN as JSON.

local seen = {}

local function session()
  local file = vim.env.POLICY
  vim.cmd('edit ' .. vim.fn.fnameescape(file))
  local id = vim.lsp.start_client({ name = 'msbc', cmd = { vim.env.MSBC, 'lsp' }, root_dir = vim.fn.fnamemodify(file, ':h') })
  vim.lsp.buf_attach_client(0, id)
  local client = vim.lsp.get_client_by_id(id)
  vim.wait(10000, function() return client.initialized end, 20)
  seen.sync = client.server_capabilities.textDocumentSync.change

  local function codes()
    local all = {}
    for _, it in ipairs(vim.diagnostic.get(0)) do all[#all + 1] = { it.code or it.user_data.lsp.code, it.lnum, it.col } end
    return all
  end
  -- Waits until the findings are others than they were.
  local function findings(wanted)
    vim.wait(10000, function()
      for _, it in ipairs(codes()) do if it[1] == wanted then return true end end
      return wanted == nil and #codes() == 0
    end, 20)
    return codes()
  end
  local function ask(method, params)
    local answer = vim.lsp.buf_request_sync(0, method, params, 10000)
    return answer and answer[id] and answer[id].result
  end
  local function at(line, text)
    local start = vim.fn.getline(line):find(text, 1, true)
    vim.fn.cursor(line, start)
    return vim.lsp.util.make_position_params(0, 'utf-16')
  end

  seen.opened = findings('MSB0003')
  local hover = ask('textDocument/hover', at(5, 'ptrace'))
  seen.hover = hover and hover.contents.value
  seen.size = ask('textDocument/hover', at(7, '64MiB')).contents.value
  local there = ask('textDocument/definition', at(4, 'std.base'))
  seen.definition = (there[1] or there).uri or (there[1] or there).targetUri

  -- The repair that the finding names.
  local place
  for _, it in ipairs(seen.opened) do if it[1] == 'MSB0003' then place = { line = it[2], character = it[3] } end end
  local range = { start = place, ['end'] = { line = place.line, character = place.character + 1 } }
  local actions = ask('textDocument/codeAction', {
    textDocument = vim.lsp.util.make_text_document_params(),
    range = range,
    context = { diagnostics = {} },
  })
  for _, action in ipairs(actions) do
    if action.kind == 'quickfix' then
      seen.action = action.title
      vim.lsp.util.apply_workspace_edit(action.edit, 'utf-16')
      break
    end
  end
  seen.repaired = vim.fn.getline(7)

  -- The parameter gets another name, in its two places.
  local place_of_name = at(3, 'workspace')
  local asked = ask('textDocument/prepareRename', place_of_name)
  seen.placeholder = asked and asked.placeholder
  seen.references = #ask('textDocument/references', vim.tbl_extend('force', place_of_name, { context = { includeDeclaration = true } }))
  seen.highlights = #ask('textDocument/documentHighlight', place_of_name)
  local edit = ask('textDocument/rename', vim.tbl_extend('force', place_of_name, { newName = 'repo' }))
  vim.lsp.util.apply_workspace_edit(edit, 'utf-16')
  seen.renamed = vim.fn.getline(3) .. vim.fn.getline(8)
  seen.folds = #ask('textDocument/foldingRange', { textDocument = vim.lsp.util.make_text_document_params() })

  -- Typed behind letters of two and four bytes, of one and two units of UTF-16: a place counted wrongly breaks the text.
  vim.fn.setline(6, '  env { set GREETING = "grüße 🦀 an alle"  set MORE = "x" }')
  vim.api.nvim_buf_set_text(0, 5, #vim.fn.getline(6) - 2, 5, #vim.fn.getline(6) - 2, { ' sett B = "y"' })
  seen.typed = findings('MSB0002')
  local now = vim.fn.getline(6)
  local col = now:find('sett', 1, true)
  vim.api.nvim_buf_set_text(0, 5, col - 1, 5, col + 3, { 'set' })
  vim.wait(10000, function()
    for _, it in ipairs(codes()) do if it[1] == 'MSB0002' then return false end end
    return true
  end, 20)
  seen.mended = codes()

  vim.fn.append(5, '  caps ')
  vim.fn.cursor(6, 8)
  local params = vim.lsp.util.make_position_params(0, 'utf-16')
  params.position = { line = 5, character = 7 }
  local list = ask('textDocument/completion', params)
  seen.completed = {}
  for _, it in ipairs(list.items or list) do seen.completed[#seen.completed + 1] = it.label end
  vim.fn.deletebufline('%', 6)

  vim.lsp.buf.formatting_sync({}, 10000)
  seen.formatted = vim.api.nvim_buf_get_lines(0, 0, -1, false)
  client.stop()
end

local good, why = pcall(session)
if not good then seen.failed = tostring(why) end
local out = io.open(vim.env.SEEN, 'w')
out:write(vim.fn.json_encode(seen))
out:close()
vim.cmd('qall!')
