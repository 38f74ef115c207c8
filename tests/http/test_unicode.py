"""Text comes back as it was sent, and limits count characters, not bytes."""

import pytest

TEXTS = {
    "accents": "Żółć – Ærøskøbing, naïve façade",
    "decomposed": "e\u0301 is not \u00e9",
    "right to left": "\u202eشركة\u202c עברית \u200f!",
    "emoji": "👩🏽‍🚀👨‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿🇪🇺",
    "stacked": "Z\u0335\u0321\u0353\u0347a\u0334\u033dl\u0337\u035bgo",
    "CJK and jamo": "漢字カナ한글 \u1112\u1161\u11ab 𠮷野家",
    "joiners": "क्\u200dष क्\u200cष \u2060\ufeff",
    "separators": "a\u2028b\u2029c\u0085d\u00a0e",
    "controls": "\t\n\r\b\f\u0001\u001f\u007f\u0080",
    "NUL": "before\u0000after",
    "noncharacters": "\ufffe\uffff\U0001ffff\U0010ffff",
    "private use": "\ue000\U000f0000",
    "quotes": "\"'`\\ </script> ${x} %s %n ; DROP TABLE assistant; --",
    "replacement": "\ufffd?",
    "mathematical": "𝕬𝖘𝖘𝖎𝖘𝖙𝖆𝖓𝖙 ﬁ ① Ⅷ",
}


@pytest.mark.parametrize("family", TEXTS)
def test_round_trip(shared_site, family):
    text = TEXTS[family]
    fields = {
        "name": text,
        "description": text,
        "instructions": text * 3,
        "metadata": {"k": text, **({} if "\0" in text else {text[:64]: "as a name"})},
    }
    new = shared_site.post("/refresh", {"config": fields}).data["newAssistantId"]
    made = shared_site.get(f"/details/{new}").data
    listed = shared_site.get("/list?limit=1").data["assistants"][0]
    changed = shared_site.put(f"/update/{new}", {"updates": fields}).data
    for came in (made, listed, changed):
        assert {k: came[k] for k in ("name", "description", "instructions")} == {
            k: fields[k] for k in ("name", "description", "instructions")
        }
        assert {k: came["metadata"][k] for k in fields["metadata"]} == fields["metadata"]
    shared_site.post("/refresh")
    assert shared_site.get("/details").data["name"] == text


@pytest.mark.parametrize("character", ["a", "é", "漢", "😀", "\U0010ffff", "\u0301", "\u0000"])
def test_limits_count_characters(shared_site, character):
    limits = {"name": 256, "description": 512, "instructions": 10000}
    at = {field: character * limit for field, limit in limits.items()}
    at["metadata"] = {"k": character * 512}
    new = shared_site.post("/refresh", {"config": at}).data["newAssistantId"]
    made = shared_site.get(f"/details/{new}").data
    assert all(made[field] == at[field] for field in limits)
    reply = shared_site.post("/refresh", {"config": {"name": character * 257}})
    assert reply.status == 400
    assert "maximum length 256, but got a string with length 257" in reply.json["message"]
