"""The assistant id to use now, in Python: OAM_URL and OAM_TOKEN say where and with which
token."""

import json
import os
import urllib.request

request = urllib.request.Request(
    os.environ["OAM_URL"] + "/current",
    headers={"Authorization": "Bearer " + os.environ["OAM_TOKEN"]},
)
with urllib.request.urlopen(request, timeout=35) as answer:
    print(json.load(answer)["data"]["assistantId"])
