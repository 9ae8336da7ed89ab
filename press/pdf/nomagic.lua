-- What readers copy of a printed line of code: its text as it is, which PDF calls ActualText. Without it
-- they guess the blanks from the gaps, and lose indents. The text is read from the line as it is set.

local GLYPH, GLUE, KERN, HLIST = node.id("glyph"), node.id("glue"), node.id("kern"), node.id("hlist")
local PAGE = 1 -- a literal between pieces of text, not within one

local function read(list, blank, found)
  for item in node.traverse(list) do
    if item.id == GLYPH then
      found[#found + 1] = string.format("%04X", item.char)
    elseif item.id == HLIST then
      read(item.list, blank, found)
    elseif item.id == GLUE or item.id == KERN then
      local width = item.id == GLUE and item.width or item.kern
      for _ = 1, math.floor(width / blank + 0.5) do
        found[#found + 1] = "0020"
      end
    end
  end
  return found
end

local function literal(data)
  local made = node.new("whatsit", "pdf_literal")
  made.mode, made.data = PAGE, data
  return made
end

-- Have the line in a box copied as what it says; `blank` is the width of a letter.
local function speak(number, blank)
  local box = tex.box[number]
  local text = read(box.list, blank, {})
  if text[#text] == "002D" then
    text[#text + 1] = "0020" -- else poppler takes the hyphen for that of a broken word
  end
  if #text > 0 then
    local opening = literal("/Span <</ActualText <FEFF" .. table.concat(text) .. ">>> BDC")
    box.list = node.insert_before(box.list, box.list, opening)
    node.insert_after(box.list, node.tail(box.list), literal("EMC"))
  end
end

return { speak = speak }
