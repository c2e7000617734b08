-- Opens $POLICY with the grammar of $RUNTIME; what colours it has goes to $SEEN as JSON.
local seen = { groups = {} }
local ok, failed = pcall(function()
  vim.opt.runtimepath:prepend(os.getenv('RUNTIME'))
  vim.cmd('edit ' .. os.getenv('POLICY'))
  local library = os.getenv('RUNTIME') .. '/parser/msb.so'
  if vim.treesitter.language and vim.treesitter.language.add then
    vim.treesitter.language.add('msb', { path = library })
  else -- before 0.9
    vim.treesitter.require_language('msb', library)
  end
  local parser = vim.treesitter.get_parser(0, 'msb')
  vim.treesitter.highlighter.new(parser, {})
  local root = parser:parse()[1]:root()
  seen.error = root:has_error()
  local query = (vim.treesitter.query.get or vim.treesitter.query.get_query)('msb', 'highlights')
  for id, node in query:iter_captures(root, 0, 0, -1) do
    local text = (vim.treesitter.get_node_text or vim.treesitter.query.get_node_text)(node, 0)
    seen.groups[text] = query.captures[id]
  end
end)
if not ok then seen.failed = failed end
local file = io.open(os.getenv('SEEN'), 'w')
file:write(vim.fn.json_encode(seen))
file:close()
vim.cmd('qa!')
