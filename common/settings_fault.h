/*
 * settings_fault: what is wrong with a value, whichever setting it is of and wherever it
 * comes from. Each gives NULL when the value is good, else the words behind the name of the
 * setting, which do not show the value. No value may have a control character: it would end
 * a line of a header, a log or a file.
 */
#ifndef OAM_SETTINGS_FAULT_H
#define OAM_SETTINGS_FAULT_H

/* Bytes of the claim's name in OAM_JWT_MANAGE. */
#define SETTINGS_CLAIM_MAX 127

const char *settings_fault_path(const char *text);

/* Any bytes in one line, without a blank at either end, where people do not see it. */
const char *settings_fault_secret(const char *text);

/* UTF-8 in one line, as claims of a token are, without a blank at either end. */
const char *settings_fault_text(const char *text);

/* A key or an id: what may stand in a header (RFC 9110, 5.5), and no blank or quote. */
const char *settings_fault_word(const char *text);

/* What may stand in a query as it is. */
const char *settings_fault_version(const char *text);

/* A proxy of a kind that curl knows; without a scheme it is http. */
const char *settings_fault_proxy(const char *text);

/* A name of RFC 7518, 3.1. */
const char *settings_fault_algorithm(const char *text);

/* http or https, a host, no query; a key must not travel in the clear beyond this host. */
const char *settings_fault_base_url(const char *text);

/* claim=value; both sides must be there. */
const char *settings_fault_claim(const char *text);

#endif
