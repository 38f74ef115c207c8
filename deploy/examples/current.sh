#!/bin/sh
# The assistant id to use now, in shell: OAM_URL and OAM_TOKEN say where and with which token.
set -eu
curl -sS --fail-with-body --max-time 35 \
	-H "Authorization: Bearer $OAM_TOKEN" "$OAM_URL/current" |
	sed -n 's/.*"assistantId":"\([^"]*\)".*/\1/p'
