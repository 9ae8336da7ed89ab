-- What readers copy of a printed line of code: its text as it is, which PDF calls ActualText, blanks and all.
-- TeX prints no blanks, it leaves gaps, and readers guess. So gaps become blanks of the typeface, as wide as
-- its letters: some readers share an ActualText out among the letters that they find, which must be as many.

local GLYPH, GLUE, HLIST = node.id("glyph"), node.id("glue"), node.id("hlist")
local PAGE = 1 -- a literal between pieces of text, not within one

local function letter_of(list)
  for item in node.traverse(list) do
    local found = item.id == GLYPH and item or item.id == HLIST and letter_of(item.list)
    if found then
      return found
    end
  end
end

-- Write blanks like `letter` for gaps, and note what the line says; the list has a new head then.
local function written(list, letter, said)
  local item = list
  while item do
    local following = item.next
    if item.id == GLYPH then
      said[#said + 1] = string.format("%04X", item.char)
    elseif item.id == HLIST then
      item.list = written(item.list, letter, said)
    elseif item.id == GLUE and item.width > 0 then
      for _ = 1, math.floor(item.width / letter.width + 0.5) do
        local blank = node.copy(letter)
        blank.char = 32
        list = node.insert_before(list, item, blank)
        said[#said + 1] = "0020"
      end
      list = node.remove(list, item)
      node.free(item)
    end
    item = following
  end
  return list
end

local function literal(data)
  local made = node.new("whatsit", "pdf_literal")
  made.mode, made.data = PAGE, data
  return made
end

-- Have the line in a box copied as what it says.
local function speak(number)
  local box = tex.box[number]
  local letter = letter_of(box.list)
  if letter then
    local said = {}
    local list = written(box.list, node.copy(letter), said)
    if said[#said] == "002D" then
      said[#said + 1] = "0020" -- else poppler takes the hyphen for that of a broken word
    end
    local opening = literal("/Span <</ActualText <FEFF" .. table.concat(said) .. ">>> BDC")
    box.list = node.insert_before(list, list, opening)
    node.insert_after(box.list, node.tail(box.list), literal("EMC"))
  end
end

return { speak = speak }
