/*
 * json: what RFC 8259 forbids is refused, what it allows is read and written unchanged.
 * The refused texts include every fault of json-c 0.16 that we know of; the accepted ones
 * follow the y_ cases of JSONTestSuite.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka wants the headers above first. */
#include <cmocka.h>

#include "json.h"

/* A text with its length, for those with a NUL inside. */
struct bytes {
	const char *text;
	size_t length;
};

#define BYTES(literal) \
	{ \
		literal, sizeof(literal) - 1 \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* json_read() on a copy that ends where the text ends, so that ASan sees a step beyond. */
static int read_exact(const char *text, size_t length, struct json_object **out,
		      struct oam_error *err)
{
	char *copy = malloc(length + 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, text, length);
	copy[length] = '\0';
	result = json_read(copy, length, out, err);
	free(copy);
	return result;
}

static void refuse_with(enum oam_code code, const char *text, size_t length)
{
	struct oam_error err = { 0 };
	struct json_object *tree = (struct json_object *)&err; /* must be overwritten */

	if (read_exact(text, length, &tree, &err) != -1)
		fail_msg("accepted: %.80s", text);
	assert_null(tree);
	if (err.code != code)
		fail_msg("%.80s: %s", text, err.message);
	assert_true(json_is_utf8(err.message, strlen(err.message)));
}

/* What is no JSON. */
static void refuse(const char *text, size_t length)
{
	refuse_with(OAM_E_INVALID_JSON, text, length);
}

/* What the grammar allows, and we do not. */
static void refuse_unsupported(const char *text, size_t length)
{
	refuse_with(OAM_E_UNSUPPORTED_JSON, text, length);
}

static struct json_object *accept(const char *text, size_t length)
{
	struct oam_error err = { 0 };
	struct json_object *tree = NULL;

	if (read_exact(text, length, &tree, &err) != 0)
		fail_msg("refused: %.80s: %s", text, err.message);
	assert_int_equal(err.code, OAM_OK);
	return tree;
}

/* The text comes back as it was, also from a deep copy. */
static void round_trip(const char *text, size_t length)
{
	struct oam_error err = { 0 };
	struct json_object *tree = accept(text, length), *copy = json_copy(tree, &err);

	assert_int_equal(err.code, OAM_OK);
	assert_string_equal(json_text(tree), text);
	assert_string_equal(json_text(copy), text);
	json_object_put(copy);
	json_object_put(tree);
}

static void refuses(void **state)
{
	static const struct bytes bad[] = {
		/* nothing at all */
		BYTES(""),
		BYTES(" "),
		BYTES("\t\r\n "),
		BYTES("\f"),
		BYTES("\v1"),
		BYTES("\xC2\xA0"),
		BYTES("\xC2\xA0"
		      "1"),
		BYTES("1\xE2\x80\xA8"),
		BYTES("\xE2\x81\xA0[]"),
		BYTES("["
		      "\f]"),
		/* byte order marks, other encodings */
		BYTES("\xEF\xBB\xBF{}"),
		BYTES("\xEF\xBB\xBF"),
		BYTES("\xEF\xBB{}"),
		BYTES("{}\xEF\xBB\xBF"),
		BYTES("\xFF\xFE[\0]\0"),
		BYTES("\xFE\xFF\0[\0]"),
		BYTES("[\0]\0"),
		/* words */
		BYTES("NaN"),
		BYTES("nan"),
		BYTES("-NaN"),
		BYTES("[NaN]"),
		BYTES("{\"a\":NaN}"),
		BYTES("Infinity"),
		BYTES("-Infinity"),
		BYTES("+Infinity"),
		BYTES("[Infinity]"),
		BYTES("[-Infinity]"),
		BYTES("inf"),
		BYTES("-inf"),
		BYTES("True"),
		BYTES("TRUE"),
		BYTES("tRUE"),
		BYTES("False"),
		BYTES("FALSE"),
		BYTES("Null"),
		BYTES("NULL"),
		BYTES("nULL"),
		BYTES("tru"),
		BYTES("fals"),
		BYTES("nul"),
		BYTES("n"),
		BYTES("truee"),
		BYTES("true1"),
		BYTES("nulls"),
		BYTES("truefalse"),
		BYTES("undefined"),
		BYTES("a"),
		BYTES("[tru]"),
		BYTES("[TRUE]"),
		BYTES("[nul]"),
		BYTES("\xC3\xA5"),
		/* numbers */
		BYTES("01"),
		BYTES("-01"),
		BYTES("00"),
		BYTES("-00"),
		BYTES("007"),
		BYTES("00.5"),
		BYTES("-012"),
		BYTES("012.5"),
		BYTES("[01]"),
		BYTES("2."),
		BYTES("-2."),
		BYTES("0."),
		BYTES("2.e3"),
		BYTES("2.e+3"),
		BYTES("0.e1"),
		BYTES("[2.]"),
		BYTES(".5"),
		BYTES("-.5"),
		BYTES(".5e1"),
		BYTES("."),
		BYTES("+1"),
		BYTES("++1"),
		BYTES("+0"),
		BYTES("+.5"),
		BYTES("-"),
		BYTES("--1"),
		BYTES("- 1"),
		BYTES("[-]"),
		BYTES("-a"),
		BYTES("1e"),
		BYTES("1E"),
		BYTES("1e+"),
		BYTES("1E-"),
		BYTES("1.0e"),
		BYTES("1.0e+"),
		BYTES("1ee2"),
		BYTES("1e1.5"),
		BYTES("1e 1"),
		BYTES("e1"),
		BYTES("1.2.3"),
		BYTES("1..2"),
		BYTES("1.a"),
		BYTES("1-2"),
		BYTES("1+2"),
		BYTES("1 000"),
		BYTES("1_000"),
		BYTES("0x1F"),
		BYTES("-0x1"),
		BYTES("0x"),
		BYTES("0b1"),
		BYTES("0o7"),
		BYTES("0x1p99999"),
		BYTES("5abc"),
		BYTES("1f"),
		BYTES("1L"),
		BYTES("$1"),
		BYTES("\xEF\xBC\x91"),
		BYTES("1\xEF\xBC\x91"),
		/* trailing data and separators */
		BYTES("1 2"),
		BYTES("1,"),
		BYTES("{} {}"),
		BYTES("{}}"),
		BYTES("[]]"),
		BYTES("[][]"),
		BYTES("{}x"),
		BYTES("{},"),
		BYTES("\"a\"\"b\""),
		BYTES("\"a\" x"),
		BYTES("null null"),
		BYTES("[1]#"),
		BYTES("[1,]"),
		BYTES("[1,,2]"),
		BYTES("[,1]"),
		BYTES("[,]"),
		BYTES("[1 2]"),
		BYTES("[1;2]"),
		BYTES("[1:2]"),
		BYTES("[\"a\":1]"),
		BYTES("[1,\n]"),
		BYTES("{\"a\":1,}"),
		BYTES("{\"a\":1,,}"),
		BYTES("{\"a\":1,,\"b\":2}"),
		BYTES("{,}"),
		BYTES("{,\"a\":1}"),
		BYTES("{\"a\":[1,]}"),
		BYTES("[{\"a\":1,}]"),
		/* comments */
		BYTES("/* a */ 1"),
		BYTES("1 /* a */"),
		BYTES("[1, /* a */ 2]"),
		BYTES("{\"a\": /**/ 1}"),
		BYTES("{/**/}"),
		BYTES("// a\n1"),
		BYTES("1 // a"),
		BYTES("[1 // a\n]"),
		BYTES("# a\n1"),
		BYTES("<!-- a -->1"),
		BYTES("[/]"),
		/* objects */
		BYTES("{"),
		BYTES("}"),
		BYTES("{]"),
		BYTES("[}"),
		BYTES("{\"a\""),
		BYTES("{\"a\":"),
		BYTES("{\"a\":1"),
		BYTES("{\"a\":1,"),
		BYTES("{\"a\"}"),
		BYTES("{\"a\":}"),
		BYTES("{\"a\" 1}"),
		BYTES("{\"a\",1}"),
		BYTES("{\"a\"=1}"),
		BYTES("{\"a\"::1}"),
		BYTES("{\"a\":1 \"b\":2}"),
		BYTES("{\"a\":1;\"b\":2}"),
		BYTES("{\"a\":1:\"b\"}"),
		BYTES("{a:1}"),
		BYTES("{'a':1}"),
		BYTES("{1:1}"),
		BYTES("{null:1}"),
		BYTES("{[]:1}"),
		BYTES("{\"a\"}}"),
		BYTES("{:1}"),
		BYTES("{\"a\":1]"),
		BYTES("{\"a\":\"b}"),
		/* arrays */
		BYTES("["),
		BYTES("]"),
		BYTES("[1"),
		BYTES("[1,"),
		BYTES("[\"a\""),
		BYTES("[\"a"),
		BYTES("[1}"),
		BYTES("[[1]"),
		BYTES("[(1)]"),
		BYTES("[*]"),
		BYTES("['a']"),
		/* strings */
		BYTES("\""),
		BYTES("\"a"),
		BYTES("a\""),
		BYTES("'a'"),
		BYTES("'"),
		BYTES("\"a'"),
		BYTES("`a`"),
		BYTES("\"\\\""),
		BYTES("\"\\"),
		BYTES("\"\\\\\\\""),
		BYTES("\"\\a\""),
		BYTES("\"\\v\""),
		BYTES("\"\\0\""),
		BYTES("\"\\'\""),
		BYTES("\"\\x41\""),
		BYTES("\"\\U0041\""),
		BYTES("\"\\ \""),
		BYTES("\"\\\n\""),
		BYTES("\"\\\0\""),
		BYTES("\"\\\xC3\xA9\""),
		BYTES("\\u0041"),
		BYTES("\"\\u\""),
		BYTES("\"\\u0\""),
		BYTES("\"\\u00\""),
		BYTES("\"\\u004\""),
		BYTES("\"\\u"),
		BYTES("\"\\u0"),
		BYTES("\"\\u00"),
		BYTES("\"\\u004"),
		BYTES("\"\\u0041"),
		BYTES("\"\\u00G1\""),
		BYTES("\"\\u 041\""),
		BYTES("\"\\u+041\""),
		BYTES("\"\\u-041\""),
		BYTES("\"\\u0x41\""),
		BYTES("\"\\u{41}\""),
		BYTES("\"\\u\xEF\xBC\x90\xEF\xBC\x90\xEF\xBC\x94\xEF\xBC\x91\""),
		BYTES("{\"\\x\":1}"),
		BYTES("{\"\n\":1}"),
		/* NUL bytes */
		BYTES("\0"),
		BYTES("1\0"),
		BYTES("\0001"),
		BYTES("{}\0"),
		BYTES("{}\0{}"),
		BYTES("[1\0]"),
		BYTES("[\0001]"),
		BYTES("{\0}"),
		BYTES("{\"a\":1}\0x"),
		BYTES("\"a\0b\""),
		BYTES("{\"a\0b\":1}"),
		BYTES("nul\0"),
		/* UTF-8: stray, cut, overlong, surrogates, out of range */
		BYTES("\"\x80\""),
		BYTES("\"\xBF\""),
		BYTES("\"a\x80\""),
		BYTES("\"\xC3\xA9\xA9\""),
		BYTES("\"\xC3\""),
		BYTES("\"\xC3"),
		BYTES("\"\xC3\xC3\""),
		BYTES("\"\xE2\x82\""),
		BYTES("\"\xE2\x82"),
		BYTES("\"\xE2\""),
		BYTES("\"\xE2(\xA1\""),
		BYTES("\"\xE2\x82(\""),
		BYTES("\"\xF0\x9F\x98\""),
		BYTES("\"\xF0\x9F\x98"),
		BYTES("\"\xF0\x9F\""),
		BYTES("\"\xF0\""),
		BYTES("\"\xF0(\x8C\xBC\""),
		BYTES("\"\xF0\x90(\xBC\""),
		BYTES("\"\xC0\x80\""),
		BYTES("\"\xC0\xAF\""),
		BYTES("\"\xC1\xBF\""),
		BYTES("\"\xE0\x80\xAF\""),
		BYTES("\"\xE0\x9F\xBF\""),
		BYTES("\"\xF0\x80\x80\xAF\""),
		BYTES("\"\xF0\x8F\xBF\xBF\""),
		BYTES("\"\xED\xA0\x80\""),
		BYTES("\"\xED\xBF\xBF\""),
		BYTES("\"\xED\xA0\xBD\xED\xB8\x80\""),
		BYTES("\"\xF4\x90\x80\x80\""),
		BYTES("\"\xF5\x80\x80\x80\""),
		BYTES("\"\xF8\x88\x80\x80\x80\""),
		BYTES("\"\xFC\x84\x80\x80\x80\x80\""),
		BYTES("\"\xFE\""),
		BYTES("\"\xFF\""),
		BYTES("\"\xE9\""),
		BYTES("{\"\xFF\":1}"),
		BYTES("{\"\xED\xA0\x80\":1}"),
		BYTES("[\xFF]"),
		BYTES("[1\xE9]"),
		BYTES("\xFF"),
		/* halves of surrogates that break off */
		BYTES("\"\\ud83d"),
		BYTES("\"\\ud83d\\"),
		BYTES("\"\\ud83d\\u"),
		BYTES("\"\\ud83d\\ude0"),
		BYTES("\"\\ud83d\\ude00"),
		BYTES("\"\\ud83d\\u\""),
		BYTES("\"\\ud83d\\ude0\""),
		BYTES("\"\\ud83d\\ude0g\""),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		refuse(bad[i].text, bad[i].length);
}

/* The grammar allows it; json-c would change it, or programs read it differently. */
static void refuses_what_it_does_not_support(void **state)
{
	static const struct bytes bad[] = {
		/* numbers that a double cannot hold */
		BYTES("1e400"),
		BYTES("-1e400"),
		BYTES("1E+309"),
		BYTES("1.8e308"),
		BYTES("0.1e310"),
		BYTES("1e99999999999999999999"),
		BYTES("[1e400]"),
		/* NUL in names, which json-c would cut */
		BYTES("{\"\\u0000\":1}"),
		BYTES("{\"b\\u0000c\":1}"),
		BYTES("{\"a\\u0000\":1}"),
		BYTES("[{\"x\":{\"a\\u0000b\":1}}]"),
		/* lone surrogates */
		BYTES("\"\\ud800\""),
		BYTES("\"\\uD800\""),
		BYTES("\"\\udbff\""),
		BYTES("\"\\udc00\""),
		BYTES("\"\\udfff\""),
		BYTES("\"\\uDFFF\""),
		BYTES("\"\\ud83d\\\""),
		BYTES("\"\\ud83dx\""),
		BYTES("\"x\\ud83d\""),
		BYTES("\"x\\ud83dx\""),
		BYTES("\"\\ud83d \\ude00\""),
		BYTES("\"\\ud83d\\n\""),
		BYTES("\"\\ud83d\\nude00\""),
		BYTES("\"\\ud83d\\\\ude00\""),
		BYTES("\"\\ud83dude00\""),
		BYTES("\"\\ud83d\\u0041\""),
		BYTES("\"\\ud83d\\ud83d\""),
		BYTES("\"\\ud83d\\ud83d\\ude00\""),
		BYTES("\"\\ud83d\\ude00\\ude00\""),
		BYTES("\"\\ud83d\\ude00\\ud83d\""),
		BYTES("\"\\ude00\\ud83d\""),
		BYTES("\"\\ude00\\ud83d\\ude00\""),
		BYTES("\"\\ud800\\udbff\""),
		BYTES("\"\\ud800\\ue000\""),
		BYTES("\"\\ud83d\xF0\x9F\x98\x80\""),
		BYTES("{\"\\ud83d\":1}"),
		BYTES("{\"\\ude00\":1}"),
		BYTES("{\"a\":\"\\ud83d\"}"),
		BYTES("{\"a\":[\"\\ude00\"]}"),
		BYTES("[\"\\ud83d\",\"\\ude00\"]"),
		/* equal names */
		BYTES("{\"a\":1,\"a\":1}"),
		BYTES("{\"a\":1,\"a\":2}"),
		BYTES("{\"a\":null,\"a\":null}"),
		BYTES("{\"a\":1,\"b\":2,\"a\":3}"),
		BYTES("{\"\":1,\"\":2}"),
		BYTES("{\"a\":1,\"\\u0061\":2}"),
		BYTES("{\"\\n\":1,\"\\u000A\":2}"),
		BYTES("{\"/\":1,\"\\/\":2}"),
		BYTES("{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}"),
		BYTES("{\"x\":{\"a\":1,\"a\":2}}"),
		BYTES("{\"x\":[{\"a\":1,\"a\":2}]}"),
		BYTES("[[[{\"a\":1,\"a\":2}]]]"),
		BYTES("{\"a\":{\"b\":1},\"a\":{}}"),
		BYTES("{\"a\":{},\"a\":{\"b\":1}}"),
		BYTES("{\"a\":{\"b\":1},\"a\":{\"b\":1,\"c\":2}}"),
		BYTES("{\"x\":{\"y\":{\"z\":{\"q\":1,\"r\":2,\"q\":3}}}}"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		refuse_unsupported(bad[i].text, bad[i].length);
}

static void accepts(void **state)
{
	/* `want` is the compact text that comes back; NULL: the text itself. */
	static const struct {
		struct bytes text;
		const char *want;
	} good[] = {
		/* arrays */
		{ BYTES("[[]   ]"), "[[]]" },
		{ BYTES("[\"\"]"), NULL },
		{ BYTES("[]"), NULL },
		{ BYTES("[ ]"), "[]" },
		{ BYTES("[\"a\"]"), NULL },
		{ BYTES("[false]"), NULL },
		{ BYTES("[null, 1, \"1\", {}]"), "[null,1,\"1\",{}]" },
		{ BYTES("[null]"), NULL },
		{ BYTES("[1\n]"), "[1]" },
		{ BYTES(" [1]"), "[1]" },
		{ BYTES("[1,null,null,null,2]"), NULL },
		{ BYTES("[2] "), "[2]" },
		/* numbers */
		{ BYTES("[123e65]"), NULL },
		{ BYTES("[0e+1]"), NULL },
		{ BYTES("[0e1]"), NULL },
		{ BYTES("[ 4]"), "[4]" },
		{ BYTES("[-0.000000000000000000000000000000000000000000000000000000000000"
			"000000000000000001]\n"),
		  "[-0.00000000000000000000000000000000000000000000000000000000000000000"
		  "0000000000001]" },
		{ BYTES("[20e1]"), NULL },
		{ BYTES("[-0]"), "[0]" }, /* the same number */
		{ BYTES("[-123]"), NULL },
		{ BYTES("[-1]"), NULL },
		{ BYTES("[-0.0]"), NULL },
		{ BYTES("[1E22]"), NULL },
		{ BYTES("[1E-2]"), NULL },
		{ BYTES("[1E+2]"), NULL },
		{ BYTES("[123e45]"), NULL },
		{ BYTES("[123.456e78]"), NULL },
		{ BYTES("[1e-2]"), NULL },
		{ BYTES("[1e+2]"), NULL },
		{ BYTES("[1e-400]"), NULL }, /* underflow: zero is near enough */
		{ BYTES("[1e20]"), NULL },
		{ BYTES("[100000000000000000000.0]"), NULL },
		{ BYTES("[123]"), NULL },
		{ BYTES("[123.456789]"), NULL },
		{ BYTES("[1.7976931348623157e308]"), NULL },
		{ BYTES("[9223372036854775807,-9223372036854775808]"), NULL },
		/* beyond 64 bits: kept by their digits */
		{ BYTES("100000000000000000000"), NULL },
		{ BYTES("-100000000000000000000"), NULL },
		{ BYTES("9223372036854775808"), NULL },
		{ BYTES("-9223372036854775809"), NULL },
		{ BYTES("18446744073709551615"), NULL },
		{ BYTES("18446744073709551616"), NULL },
		{ BYTES("[9223372036854775808]"), NULL },
		{ BYTES("{\"a\":9223372036854775808}"), NULL },
		{ BYTES("0"), NULL },
		{ BYTES("7 "), "7" },
		{ BYTES("-0.1"), NULL },
		{ BYTES("1e5"), NULL },
		/* objects */
		{ BYTES("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"),
		  "{\"asd\":\"sdf\",\"dfg\":\"fgh\"}" },
		{ BYTES("{\"asd\":\"sdf\"}"), NULL },
		{ BYTES("{}"), NULL },
		{ BYTES("{ \n }"), "{}" },
		{ BYTES("{\"\":0}"), NULL },
		{ BYTES("{\"a\":{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]}}}"), NULL },
		{ BYTES("{\"a\":1,\"A\":2,\"a \":3,\"\":4}"), NULL },
		{ BYTES("{\"\xC3\xA9\":1,\"e\xCC\x81\":2}"), NULL }, /* not the same */
		{ BYTES("{\"foo\\nbar\":42}"), NULL },
		{ BYTES("{\"min\":-1.0e+28,\"max\":1.0e+28}"), NULL },
		{ BYTES("{\"x\":[{\"id\":\"x\"}],\"id\":\"x\"}"), NULL },
		{ BYTES("{\"a\":[]}"), NULL },
		{ BYTES("{\n\"a\" :\t\"b\"\r\n}"), "{\"a\":\"b\"}" },
		{ BYTES("{\"\\u0041\\ud83d\\ude00\":1}"), "{\"A\xF0\x9F\x98\x80\":1}" },
		/* json-c takes the sum of these halves for another half */
		{ BYTES("[\"\\ud836\\ude00\\ud800\\udc00\\udbff\\udfff\"]"),
		  "[\"\xF0\x9D\xA8\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"]" },
		{ BYTES("{\"a\":null,\"b\":true,\"c\":false}"), NULL },
		/* strings */
		{ BYTES("[\"\\u0060\\u012a\\u12AB\"]"), "[\"`\xC4\xAA\xE1\x8A\xAB\"]" },
		{ BYTES("[\"\\uD801\\udc37\"]"), "[\"\xF0\x90\x90\xB7\"]" },
		{ BYTES("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"),
		  "[\"\xF0\x9F\x98\xB9\xF0\x9F\x92\x8D\"]" },
		{ BYTES("\"\\ud800\\udc00\\udbff\\udfff\""),
		  "\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"" },
		{ BYTES("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
		  "[\"\\\"\\\\/\\b\\f\\n\\r\\t\"]" },
		{ BYTES("[\"\\\\u0000\"]"), NULL },
		{ BYTES("[\"\\\"\"]"), NULL },
		{ BYTES("[\"a/*b*/c/*d//e\"]"), NULL },
		{ BYTES("[\"\\\\a\"]"), NULL },
		{ BYTES("[\"\\\\n\"]"), NULL },
		{ BYTES("[\"\\u0012\"]"), NULL },
		{ BYTES("[\"\\uFFFF\\ufdd0\"]"), "[\"\xEF\xBF\xBF\xEF\xB7\x90\"]" },
		{ BYTES("[\"new\\u00A0line\"]"), "[\"new\xC2\xA0line\"]" },
		{ BYTES("[\"\xF4\x8F\xBF\xBF\"]"), NULL },
		{ BYTES("[\"\xEF\xBF\xBF\xEF\xBB\xBF\"]"), NULL }, /* BOM inside */
		{ BYTES("[\"\\u0000\"]"), NULL },
		{ BYTES("[\"\\u002c\"]"), "[\",\"]" },
		{ BYTES("[\"\xCF\x80\"]"), NULL },
		{ BYTES("[\"\xF0\x9B\xBF\xBF\"]"), NULL },
		{ BYTES("[\"asd \"]"), NULL },
		{ BYTES("\" \""), NULL },
		{ BYTES("\"\""), NULL },
		{ BYTES("\"\xE2\x80\xA8\xE2\x80\xA9\""), NULL },
		{ BYTES("[\"\\u0022\\u005C\"]"), "[\"\\\"\\\\\"]" },
		{ BYTES("[\"a\x7F\"]"), NULL },
		{ BYTES("\"NaN, 'Infinity', 01, // +1\""), NULL },
		/* alone, and white space */
		{ BYTES("false"), NULL },
		{ BYTES("true"), NULL },
		{ BYTES("null"), NULL },
		{ BYTES("\"asd\""), NULL },
		{ BYTES(" \t\r\nnull \t\r\n"), "null" },
		{ BYTES("[\"a\"]\n"), "[\"a\"]" },
		{ BYTES("[1 , 2\t,\r\n3]"), "[1,2,3]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const char *want = good[i].want ? good[i].want : good[i].text.text;
		struct json_object *tree = accept(good[i].text.text, good[i].text.length);

		assert_string_equal(json_text(tree), want);
		json_object_put(tree);
		round_trip(want, strlen(want));
	}
}

static void null_is_no_error(void **state)
{
	struct oam_error err = { 0 };

	(void)state;
	assert_null(accept("null", 4));
	assert_null(json_copy(NULL, &err));
	assert_int_equal(err.code, OAM_OK);
	assert_string_equal(json_text(NULL), "null");
}

/* Every text of one byte, and every byte in a string, raw and behind a backslash. */
static void checks_every_byte(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		char alone[] = { (char)byte, '\0' };
		char raw[] = { '"', (char)byte, '"', '\0' };
		char escaped[] = { '"', '\\', (char)byte, '"', '\0' };
		bool digit = byte >= '0' && byte <= '9';
		bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
		bool escape = byte && strchr("\"\\/bfnrt", byte);

		if (digit)
			json_object_put(accept(alone, 1));
		else
			refuse(alone, 1);
		if (plain)
			round_trip(raw, 3);
		else
			refuse(raw, 3);
		if (escape)
			json_object_put(accept(escaped, 4));
		else
			refuse(escaped, 4);
	}
}

static void refuses_raw_control_in_names(void **state)
{
	(void)state;
	for (char byte = 0; byte < 0x20; byte++) {
		char text[] = { '{', '"', 'a', byte, '"', ':', '1', '}', '\0' };

		refuse(text, sizeof(text) - 1);
	}
}

/* Whatever is cut off at its end is refused, wherever the cut is. */
static void refuses_every_prefix(void **state)
{
	static const char *const texts[] = {
		("{\"a\":[1,-2.5e+3,true,false,null,\"\\ud83d\\ude00\xF0\x9F\x98\x80\"],"
		 "\"b\\n\":{\"c\":[[],{}]}}"),
		"[[[{\"\xC3\xA9\":\"\xE2\x82\xAC\\\\\"}]]]",
		"\"\\\"\\u20ac\"",
		"true",
		"false",
		"null",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		size_t length = strlen(texts[i]);

		json_object_put(accept(texts[i], length));
		for (size_t cut = 0; cut < length; cut++)
			refuse(texts[i], cut);
	}
}

/* Surrogates are refused in every spelling and place, pairs are accepted. */
static void checks_every_surrogate(void **state)
{
	(void)state;
	for (unsigned unit = 0xD800; unit <= 0xDFFF; unit++) {
		static const char *const places[] = {
			"\"\\u%04x\"",     "\"\\u%04X\"",     "\"a\\u%04xb\"",
			"[1,\"\\u%04x\"]", "{\"\\u%04x\":1}", "{\"a\":\"\\u%04x \"}",
		};
		char text[64];
		int n;

		for (size_t i = 0; i < COUNT(places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			n = snprintf(text, sizeof(text), places[i], unit);
#pragma GCC diagnostic pop
			refuse_unsupported(text, (size_t)n);
		}
		n = snprintf(text, sizeof(text), "\"\xED%c%c\"",
			     (char)(0x80 | (unit >> 6 & 0x3F)),
			     (char)(0x80 | (unit & 0x3F)));
		refuse(text, (size_t)n);
		n = snprintf(text, sizeof(text), "\"\\ud83d\\u%04x\"", unit);
		if (unit >= 0xDC00)
			json_object_put(accept(text, (size_t)n));
		else
			refuse_unsupported(text, (size_t)n);
		n = snprintf(text, sizeof(text), "\"\\u%04x\\ude00\"", unit);
		if (unit < 0xDC00)
			json_object_put(accept(text, (size_t)n));
		else
			refuse_unsupported(text, (size_t)n);
	}
}

static size_t encode(char *at, unsigned point)
{
	if (point < 0x80) {
		at[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		at[0] = (char)(0xC0 | point >> 6);
		at[1] = (char)(0x80 | (point & 0x3F));
		return 2;
	}
	if (point < 0x10000) {
		at[0] = (char)(0xE0 | point >> 12);
		at[1] = (char)(0x80 | (point >> 6 & 0x3F));
		at[2] = (char)(0x80 | (point & 0x3F));
		return 3;
	}
	at[0] = (char)(0xF0 | point >> 18);
	at[1] = (char)(0x80 | (point >> 12 & 0x3F));
	at[2] = (char)(0x80 | (point >> 6 & 0x3F));
	at[3] = (char)(0x80 | (point & 0x3F));
	return 4;
}

/* One string of all characters that may stand in it raw, noncharacters included. */
static void keeps_every_character(void **state)
{
	char *text = malloc(4 * 0x110000 + 8);
	size_t length = 0, count = 0;
	struct json_object *tree;

	(void)state;
	assert_non_null(text);
	text[length++] = '"';
	for (unsigned point = 0x20; point < 0x110000; point++) {
		if (point == '"' || point == '\\' || (point >= 0xD800 && point < 0xE000))
			continue;
		length += encode(text + length, point);
		count++;
	}
	text[length++] = '"';
	text[length] = '\0';
	assert_true(json_is_utf8(text, length));
	tree = accept(text, length);
	assert_int_equal(json_object_get_string_len(tree), length - 2);
	assert_memory_equal(json_object_get_string(tree), text + 1, length - 2);
	assert_int_equal(json_string_characters(tree), count);
	assert_true(strcmp(json_text(tree), text) == 0);
	json_object_put(tree);
	free(text);
}

/* The escape of every character in the basic plane is the character. */
static void reads_every_escape(void **state)
{
	(void)state;
	for (unsigned point = 0; point < 0x10000; point++) {
		char text[16], want[4];
		size_t length;
		struct json_object *tree;

		if (point >= 0xD800 && point < 0xE000)
			continue;
		length = encode(want, point);
		snprintf(text, sizeof(text), point & 1 ? "\"\\u%04x\"" : "\"\\u%04X\"",
			 point);
		tree = accept(text, 8);
		assert_int_equal(json_object_get_string_len(tree), length);
		assert_memory_equal(json_object_get_string(tree), want, length);
		assert_int_equal(json_string_characters(tree), 1);
		json_object_put(tree);
	}
}

/* `depth` levels of `opening`, then `inside`, then as many of `closing`. */
static char *nest(int depth, const char *opening, const char *inside, const char *closing)
{
	char *text = calloc(1, (size_t)depth * 16 + 64);

	assert_non_null(text);
	for (int i = 0; i < depth; i++)
		strcat(text, opening);
	strcat(text, inside);
	for (int i = 0; i < depth; i++)
		strcat(text, closing);
	return text;
}

static void limits_depth(void **state)
{
	static const struct {
		const char *opening, *inside, *closing;
		int levels; /* that one opening makes */
	} kinds[] = {
		{ "[", "", "]", 1 },
		{ "[", "1", "]", 1 },
		{ "[", "\"a\"", "]", 1 },
		{ "[0,", "1", ",2]", 1 },
		{ "{\"a\":", "1", "}", 1 },
		{ "{\"a\":", "null", "}", 1 },
		{ "[{\"a\":", "1.5", "}]", 2 },
		{ "{\"a\":[", "true", "]}", 2 },
	};

	(void)state;
	assert_int_equal(JSON_DEPTH_MAX, 64);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		int fits = JSON_DEPTH_MAX / kinds[i].levels;
		char *text = nest(fits, kinds[i].opening, kinds[i].inside,
				  kinds[i].closing);

		round_trip(text, strlen(text));
		free(text);
		text = nest(fits + 1, kinds[i].opening, kinds[i].inside,
			    kinds[i].closing);
		refuse_unsupported(text, strlen(text));
		free(text);
	}

	/* Beside one another they are not nested. */
	struct json_object *tree;
	char *wide = malloc(3 * 1000 + 2);

	assert_non_null(wide);
	for (size_t i = 0; i < 1000; i++)
		memcpy(wide + 1 + 3 * i, "[],", 3);
	wide[0] = '[';
	memcpy(wide + 3000, "]", 2);
	tree = accept(wide, 3001);
	assert_int_equal(json_object_array_length(tree), 1000);
	json_object_put(tree);
	free(wide);

	/* An attack: it must not use up the stack. */
	char *deep = malloc(1000001);

	assert_non_null(deep);
	memset(deep, '[', 1000000);
	deep[1000000] = '\0';
	refuse_unsupported(deep, 1000000);
	free(deep);
}

static void scan_says_what_and_where(void **state)
{
	static const struct {
		const char *text, *fault;
		size_t offset;
	} cases[] = {
		{ "", "there is nothing in it", 0 },
		{ "  ", "there is nothing in it", 2 },
		{ "[1,", "unexpected end", 3 },
		{ "NaN", "unexpected character", 0 },
		{ "\xEF\xBB\xBF{}", "unexpected character", 0 },
		{ "[1] x", "unexpected character after the end", 4 },
		{ "01", "unexpected character after the end", 1 },
		{ "[2.]", "bad number", 3 },
		{ "1e400", "number out of range", 5 },
		{ "[\"ab", "unterminated string", 4 },
		{ "\"a\nb\"", "raw control character in a string", 2 },
		{ "\"a\xFF\"", "invalid UTF-8", 2 },
		{ "{\"a\"}", "expected ':'", 4 },
		{ "{a:1}", "expected a name in double quotes", 1 },
		{ "{\"a\":1,}", "expected a name in double quotes", 7 },
		{ "[1 2]", "expected ',' or a closing bracket", 3 },
		{ "\"\\ud83d\"", "lone surrogate", 7 },
		{ "{\"\\u0000\":1}", "NUL in a name", 8 },
	};
	struct json_scan scan;
	struct oam_error err = { 0 };
	struct json_object *tree;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(json_scan(cases[i].text, strlen(cases[i].text), &scan),
				 -1);
		assert_string_equal(scan.fault, cases[i].fault);
		assert_int_equal(scan.offset, cases[i].offset);
	}
	assert_int_equal(json_scan("{\"a\":[{\"b\":1},{\"b\":2}]}", 23, &scan), 0);
	assert_null(scan.fault);

	assert_int_equal(json_read("[2.]", 4, &tree, &err), -1);
	assert_string_equal(err.message, "Invalid JSON: bad number at byte 3.");
	assert_int_equal(json_read("NaN", 3, &tree, &err), -1); /* the first error wins */
	assert_string_equal(err.message, "Invalid JSON: bad number at byte 3.");
}

static void keeps_text(void **state)
{
	static const char *const texts[] = {
		/* numbers as they were written */
		"[1.0,1e5,-0.5,1E+2,0.10,100.00,1e-7,-0.0,0e0,1E5,2.50e+003]",
		"{\"temperature\":1.0,\"top_p\":0.3333333333333333333333}",
		/* family, flag and skin tone: ZWJ, tags, variation selector */
		"\"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91"
		"\xA7\xE2\x80\x8D\xF0\x9F\x91\xA6 \xE2\x9D\xA4\xEF\xB8\x8F "
		"\xF0\x9F\x91\x8B\xF0\x9F\x8F\xBD \xF0\x9F\x87\xAA\xF0\x9F\x87\xAA\"",
		/* combining marks, stacked, and one that starts the string */
		"\"\xCC\x81"
		"e\xCC\x81 o\xCC\x88\xCC\xA3\xCD\x82 "
		"\xE0\xA4\x95\xE0\xA5\x8D\xE0\xA4\xB7\"",
		/* right to left, with overrides and marks */
		"\"\xE2\x80\xAE\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D\xE2\x80\xAC \xE2\x80\x8F"
		"\xD8\xA7\xD9\x84\xD8\xB3\xD9\x84\xD8\xA7\xD9\x85\"",
		/* line separators, noncharacters, private use, the last code point */
		"\"\xE2\x80\xA8\xE2\x80\xA9\xC2\x85\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xB7\x90"
		"\xEE\x80\x80\xF4\x8F\xBF\xBF\xEF\xBB\xBF\"",
		/* the same in a name */
		"{\"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x94\xAC\":{\"\xEF\xBF\xBF\":[]}"
		"}",
		/* the order of names stays, slashes stay bare */
		"{\"z\":1,\"a\":2,\"m\":3,\"https://x/\":\"a/b\"}",
		/* NUL and control characters */
		"\"a\\u0000b\\u0001\\u001f\\b\\t\\n\\f\\r\"",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		round_trip(texts[i], strlen(texts[i]));
}

static void keeps_nul_in_values(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *tree = accept("{\"a\":\"x\\u0000y\\u0000\"}", 22);
	struct json_object *copy = json_copy(tree, &err);
	struct json_object *both[] = { json_member(tree, "a"), json_member(copy, "a") };

	(void)state;
	for (size_t i = 0; i < COUNT(both); i++) {
		assert_int_equal(json_object_get_string_len(both[i]), 4);
		assert_memory_equal(json_object_get_string(both[i]), "x\0y\0", 5);
		assert_int_equal(json_string_characters(both[i]), 4);
	}
	assert_string_equal(json_text(copy), "{\"a\":\"x\\u0000y\\u0000\"}");
	json_object_put(tree);
	json_object_put(copy);
}

/* Types and values are what the text says: no saturation, no silent conversion. */
static void reads_types(void **state)
{
	static const struct {
		const char *text;
		enum json_type type;
		const char *name;
	} cases[] = {
		{ "5", json_type_int, "an integer" },
		{ "-0", json_type_int, "an integer" },
		{ "9223372036854775807", json_type_int, "an integer" },
		{ "-9223372036854775808", json_type_int, "an integer" },
		{ "5.0", json_type_double, "a decimal" },
		{ "5e0", json_type_double, "a decimal" },
		{ "1e20", json_type_double, "a decimal" },
		{ "true", json_type_boolean, "a boolean" },
		{ "false", json_type_boolean, "a boolean" },
		{ "\"5abc\"", json_type_string, "a string" },
		{ "\"true\"", json_type_string, "a string" },
		{ "[]", json_type_array, "an array" },
		{ "{}", json_type_object, "an object" },
		{ "null", json_type_null, "null" },
	};
	struct json_object *tree;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		tree = accept(cases[i].text, strlen(cases[i].text));
		assert_int_equal(json_object_get_type(tree), cases[i].type);
		assert_string_equal(json_type_name(tree), cases[i].name);
		json_object_put(tree);
	}
	tree = accept("[9223372036854775807,-9223372036854775808,1e20]", 47);
	assert_true(json_object_get_int64(json_object_array_get_idx(tree, 0)) ==
		    INT64_MAX);
	assert_true(json_object_get_int64(json_object_array_get_idx(tree, 1)) ==
		    INT64_MIN);
	assert_true(json_object_get_double(json_object_array_get_idx(tree, 2)) >= 1e20);
	assert_true(json_object_get_double(json_object_array_get_idx(tree, 2)) <= 1e20);
	json_object_put(tree);
}

static void counts_characters(void **state)
{
	static const struct {
		const char *text;
		size_t count;
	} cases[] = {
		{ "\"\"", 0 },
		{ "\"abc\"", 3 },
		{ "\"\\n\\\"\"", 2 },
		{ "\"\xC3\xA9\"", 1 },
		{ "\"e\xCC\x81\"", 2 },
		{ "\"\xE2\x82\xAC\xE2\x82\xAC\"", 2 },
		{ "\"\xF0\x9F\x98\x80\"", 1 },
		{ "\"\\ud83d\\ude00\"", 1 },
		{ "\"\\u0000\\u0000\"", 2 },
		{ "\"a\\u0000\xF0\x9F\x98\x80\"", 3 },
		{ "\"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x94\xAC\"", 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_object *tree = accept(cases[i].text, strlen(cases[i].text));

		assert_int_equal(json_string_characters(tree), cases[i].count);
		json_object_put(tree);
	}
}

static void checks_utf8(void **state)
{
	static const struct {
		struct bytes bytes;
		bool valid;
	} cases[] = {
		{ BYTES(""), true },
		{ BYTES("\0"), true },
		{ BYTES("abc\x7F"), true },
		{ BYTES("\xC2\x80\xDF\xBF"), true },
		{ BYTES("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"), true },
		{ BYTES("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), true },
		{ BYTES("\xC3"), false },
		{ BYTES("a\xE2\x82"), false },
		{ BYTES("\xF0\x9F\x98"), false },
		{ BYTES("\xA9"), false },
		{ BYTES("\xC1\x81"), false },
		{ BYTES("\xE0\x9F\xBF"), false },
		{ BYTES("\xED\xA0\x80"), false },
		{ BYTES("\xF0\x8F\xBF\xBF"), false },
		{ BYTES("\xF4\x90\x80\x80"), false },
		{ BYTES("\xF5\x80\x80\x80"), false },
		{ BYTES("\xFF"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *exact = malloc(cases[i].bytes.length + 1);

		assert_non_null(exact);
		memcpy(exact, cases[i].bytes.text, cases[i].bytes.length);
		exact = realloc(exact, cases[i].bytes.length ? cases[i].bytes.length : 1);
		assert_non_null(exact);
		assert_int_equal(json_is_utf8(exact, cases[i].bytes.length),
				 cases[i].valid);
		free(exact);
	}
	assert_true(json_is_utf8("ab\xC3\xA9", 2)); /* no further than told */
	assert_false(json_is_utf8("ab\xC3\xA9", 3));
}

static void reads_many_members(void **state)
{
	const size_t count = 20000;
	char *text = malloc(count * 60 + 3), *at = text, name[48];
	struct json_object *tree;

	(void)state;
	assert_non_null(text);
	*at++ = '{';
	for (size_t i = 0; i < count; i++)
		at += sprintf(at, "%s\"%040zu\":%zu", i ? "," : "", i, i);
	memcpy(at, "}", 2);
	tree = accept(text, (size_t)(at + 1 - text));
	assert_int_equal(json_object_object_length(tree), count);
	for (size_t i = 0; i < count; i += 997) {
		snprintf(name, sizeof(name), "%040zu", i);
		assert_int_equal(json_object_get_int64(json_member(tree, name)), i);
	}
	json_object_put(tree);
	at += sprintf(at, ",\"%040d\":1}", 0);
	refuse_unsupported(text, (size_t)(at - text));
	free(text);
}

/* {"x":[ITEM,ITEM …]} of about `length` bytes. */
static char *fill(const char *item, size_t length)
{
	char *text = malloc(length + strlen(item) + 16), *at = stpcpy(text, "{\"x\":[");

	assert_non_null(text);
	do {
		at = stpcpy(at, item);
		*at++ = ',';
	} while ((size_t)(at - text) < length);
	strcpy(at - 1, "]}");
	return text;
}

/* Small texts may hold what they want; what large ones may hold grows with them. */
static void limits_memory(void **state)
{
	static const char schema[] =
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{"
		"\"type\":\"integer\"}},\"required\":[\"a\",\"b\"]}";
	static const struct {
		const char *item;
		bool large; /* accepted in 1 MB, too */
	} cases[] = {
		{ "1", false },          { "1.5", false },
		{ "{}", false },         { "[]", false },
		{ "{\"a\":1}", false },  { "\"a\"", false },
		{ "{        }", false }, { "\"\\u0041\"", false },
		{ "null", true },        { "\"a string of some length\"", true },
		{ schema, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *small = fill(cases[i].item, 10000);
		char *large = fill(cases[i].item, 1000000);

		json_object_put(accept(small, strlen(small)));
		if (cases[i].large)
			json_object_put(accept(large, strlen(large)));
		else
			refuse_unsupported(large, strlen(large));
		free(small);
		free(large);
	}
}

/* White space and escapes allow nothing that the text without them would not. */
static void reads_again_what_it_writes(void **state)
{
	static const char *const items[] = {
		"{}",
		"{                                                            }",
		"\"\\u0041\"",
		"\"\\/\\/\\/\\/\"",
		"\"\\u00e9\\u20ac\\ud83d\\ude00\"",
		"\"\\u0022\\u005c\\u0001\\u000a\"",
		"-0",
	};
	struct oam_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(items); i++) {
		struct json_object *tree;
		size_t low = 0, high = 2000000; /* of the longest that is accepted */
		const char *text;
		char *filled;

		while (high - low > 100) {
			struct json_scan scan;
			size_t middle = (low + high) / 2;

			filled = fill(items[i], middle);
			if (json_scan(filled, strlen(filled), &scan) == 0)
				low = middle;
			else
				high = middle;
			free(filled);
		}
		filled = fill(items[i], low);
		tree = accept(filled, strlen(filled));
		free(filled);
		text = json_text(tree);
		json_object_put(accept(text, strlen(text)));
		json_object_put(tree);
	}
	assert_int_equal(err.code, OAM_OK);
}

/* A list of `count` times the same. */
static char *list_of(const char *item, size_t count)
{
	char *text = malloc(count * (strlen(item) + 1) + 32), *at;

	assert_non_null(text);
	at = stpcpy(text, "{\"data\":[");
	for (size_t i = 0; i < count; i++) {
		at = stpcpy(at, item);
		*at++ = ',';
	}
	strcpy(at - 1, "]}");
	return text;
}

/* What passes json_check_again() can be read in a list of as many as are expected. */
static void reads_lists_of_what_it_reads(void **state)
{
	char *dense = fill("1", 24000), *deep = nest(JSON_DEPTH_MAX, "[", "1", "]");
	char *items[] = { dense, deep };
	struct oam_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(items); i++) {
		struct json_object *tree = accept(items[i], strlen(items[i]));
		char *text = list_of(items[i], 40);

		assert_int_equal(json_check_again(tree, &err), 0);
		json_object_put(tree);
		refuse_unsupported(text, strlen(text));
		assert_int_equal(json_read_list(text, strlen(text), 40, &tree, &err), 0);
		assert_int_equal(json_object_array_length(json_member(tree, "data")), 40);
		json_object_put(tree);
		free(text);
		free(items[i]);
	}
}

static void leaves_room_for_what_is_added(void **state)
{
	char *text = fill("1", 40000);
	struct json_object *tree = accept(text, strlen(text));
	struct oam_error err = { 0 };

	(void)state;
	assert_int_equal(json_check_again(tree, &err), -1);
	assert_int_equal(err.code, OAM_E_UNSUPPORTED_JSON);
	json_object_put(tree);
	free(text);
}

static int room_of(struct json_object *object)
{
	return json_object_get_object(object)->size;
}

/* json-c would give each object 16 entries of 40 bytes, and each array 32. */
static void keeps_no_room(void **state)
{
	static const char text[] = "{\"a\":{},\"b\":[{\"c\":1,\"d\":2},{\"e\":3}]}";
	struct json_object *tree = accept(text, sizeof(text) - 1);
	struct oam_error err = { 0 };
	struct json_object *copy = json_copy(tree, &err);
	struct json_object *both[] = { tree, copy };

	(void)state;
	for (size_t i = 0; i < COUNT(both); i++) {
		struct json_object *array = json_member(both[i], "b");

		assert_int_equal(room_of(both[i]), 2);
		assert_int_equal(room_of(json_member(both[i], "a")), 1);
		assert_int_equal(room_of(json_object_array_get_idx(array, 0)), 2);
		assert_int_equal(room_of(json_object_array_get_idx(array, 1)), 1);
		assert_int_equal(json_object_get_array(array)->size, 2);
		json_put_string(both[i], "f", "there is room all the same", &err);
		json_put_string(both[i], "g", "and more", &err);
		assert_int_equal(json_object_object_length(both[i]), 4);
		assert_non_null(json_member(both[i], "f"));
	}
	assert_int_equal(err.code, OAM_OK);
	json_object_put(tree);
	json_object_put(copy);

	/* The table must not grow while it is fitted. */
	for (size_t members = 1; members < 3000; members++)
		assert_true((double)(members - 1) <
			    (double)json_object_room(members) * LH_LOAD_FACTOR);
}

static void finds_members(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"n\":null,\"i\":5,\"\":\"e\","
				   "\"z\":\"a\\u0000b\"}";
	struct json_object *tree = accept(text, sizeof(text) - 1);
	struct json_object *array = accept("[\"s\"]", 5);

	(void)state;
	assert_string_equal(json_member_string(tree, "s"), "x");
	assert_string_equal(json_member_string(tree, ""), "e");
	assert_null(json_member_string(tree, "i"));
	assert_null(json_member_string(tree, "z")); /* C would see "a" */
	assert_null(json_member_string(tree, "n"));
	assert_null(json_member_string(tree, "absent"));
	assert_non_null(json_member(tree, "i"));
	assert_null(json_member(tree, "n"));
	assert_null(json_member(tree, "S"));
	assert_null(json_member(array, "s"));
	assert_null(json_member(NULL, "s"));
	assert_null(json_member(json_member(tree, "s"), "s"));
	assert_null(json_member_string(NULL, "s"));
	json_object_put(tree);
	json_object_put(array);
}

static void copies_are_apart(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *tree = accept("{\"a\":{\"b\":[1,2.50]}}", 20);
	struct json_object *copy = json_copy(tree, &err);

	(void)state;
	json_put_integer(json_member(copy, "a"), "b", 9, &err);
	assert_string_equal(json_text(tree), "{\"a\":{\"b\":[1,2.50]}}");
	json_object_put(tree);
	assert_string_equal(json_text(copy), "{\"a\":{\"b\":9}}");
	json_object_put(copy);
	assert_int_equal(err.code, OAM_OK);
}

static void builds(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *tree = json_new_object(&err), *list = json_new_array(&err);

	(void)state;
	assert_int_equal(json_put_string(tree, "s", "a\"\\/\n\xC3\xA9", &err), 0);
	assert_int_equal(json_put_string(tree, "none", NULL, &err), 0);
	assert_int_equal(json_put_integer(tree, "max", INT64_MAX, &err), 0);
	assert_int_equal(json_put_integer(tree, "min", INT64_MIN, &err), 0);
	assert_int_equal(json_put_boolean(tree, "yes", true, &err), 0);
	assert_int_equal(json_put_boolean(tree, "no", false, &err), 0);
	assert_int_equal(json_put_null(tree, "null", &err), 0);
	assert_int_equal(json_append_string(list, "one", &err), 0);
	assert_int_equal(json_append(list, json_object_new_int64(2), &err), 0);
	assert_int_equal(json_put(tree, "list", list, &err), 0);
	assert_int_equal(error_result(&err), 0);
	assert_string_equal(json_text(tree),
			    "{\"s\":\"a\\\"\\\\/\\n\xC3\xA9\",\"none\":null,"
			    "\"max\":9223372036854775807,\"min\":-9223372036854775808,"
			    "\"yes\":true,\"no\":false,"
			    "\"null\":null,\"list\":[\"one\",2]}");
	round_trip(json_text(tree), strlen(json_text(tree)));

	/* An equal name replaces, and releases what was there. */
	assert_int_equal(json_put_null(tree, "list", &err), 0);
	assert_int_equal(json_put_string(tree, "s", "b", &err), 0);
	assert_null(json_member(tree, "list"));
	assert_string_equal(json_member_string(tree, "s"), "b");
	json_object_put(tree);
}

/* Once an error is set nothing is added, and what was to be added is released. */
static void building_stops_at_an_error(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *tree = json_new_object(&err), *list = json_new_array(&err);
	struct json_object *value = json_object_new_string("held");

	(void)state;
	json_put_integer(tree, "a", 1, &err);
	json_append_string(list, "x", &err);
	error_set(&err, CONFLICT, "field", "first");
	assert_int_equal(json_put_string(tree, "s", "x", &err), -1);
	assert_int_equal(json_put_string(tree, "s", NULL, &err), -1);
	assert_int_equal(json_put_integer(tree, "i", 1, &err), -1);
	assert_int_equal(json_put_boolean(tree, "b", true, &err), -1);
	assert_int_equal(json_put_null(tree, "n", &err), -1);
	assert_int_equal(json_put_null(tree, "a", &err), -1);
	assert_int_equal(json_put(tree, "o", json_object_new_object(), &err), -1);
	assert_int_equal(json_put(tree, "o", NULL, &err), -1);
	assert_int_equal(json_append(list, json_object_new_array(), &err), -1);
	assert_int_equal(json_append(list, NULL, &err), -1);
	assert_int_equal(json_append_string(list, "y", &err), -1);
	assert_string_equal(json_text(tree), "{\"a\":1}");
	assert_string_equal(json_text(list), "[\"x\"]");
	assert_int_equal(err.code, OAM_E_CONFLICT);
	assert_string_equal(err.message, "first.");
	assert_string_equal(err.param, "field");

	/* Our own reference is the only one left after both calls took theirs. */
	json_put(tree, "o", json_object_get(value), &err);
	json_append(list, json_object_get(value), &err);
	assert_int_equal(json_object_put(value), 1);

	/* Where making the container failed, nothing is touched. */
	assert_int_equal(json_put_string(NULL, "s", "x", &err), -1);
	assert_int_equal(json_append_string(NULL, "x", &err), -1);
	json_object_put(tree);
	json_object_put(list);
}

static void no_value_is_an_error(void **state)
{
	struct oam_error err = { 0 }, again = { 0 };
	struct json_object *tree = json_new_object(&err), *list = json_new_array(&err);

	(void)state;
	assert_int_equal(json_put(tree, "a", NULL, &err), -1);
	assert_int_equal(err.code, OAM_E_NO_MEMORY);
	assert_int_equal(json_append(list, NULL, &again), -1);
	assert_int_equal(again.code, OAM_E_NO_MEMORY);
	assert_int_equal(json_object_object_length(tree), 0);
	assert_int_equal(json_object_array_length(list), 0);
	json_object_put(tree);
	json_object_put(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_what_it_does_not_support),
		cmocka_unit_test(accepts),
		cmocka_unit_test(null_is_no_error),
		cmocka_unit_test(checks_every_byte),
		cmocka_unit_test(refuses_raw_control_in_names),
		cmocka_unit_test(refuses_every_prefix),
		cmocka_unit_test(checks_every_surrogate),
		cmocka_unit_test(keeps_every_character),
		cmocka_unit_test(reads_every_escape),
		cmocka_unit_test(limits_depth),
		cmocka_unit_test(scan_says_what_and_where),
		cmocka_unit_test(keeps_text),
		cmocka_unit_test(keeps_nul_in_values),
		cmocka_unit_test(reads_types),
		cmocka_unit_test(counts_characters),
		cmocka_unit_test(checks_utf8),
		cmocka_unit_test(reads_many_members),
		cmocka_unit_test(limits_memory),
		cmocka_unit_test(reads_again_what_it_writes),
		cmocka_unit_test(reads_lists_of_what_it_reads),
		cmocka_unit_test(leaves_room_for_what_is_added),
		cmocka_unit_test(keeps_no_room),
		cmocka_unit_test(finds_members),
		cmocka_unit_test(copies_are_apart),
		cmocka_unit_test(builds),
		cmocka_unit_test(building_stops_at_an_error),
		cmocka_unit_test(no_value_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
