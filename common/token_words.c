#include "token_words.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define ROW_MIN    4 /* characters: shorter rows and repetitions come about by chance */
#define PARTS_MIN  3
#define PART_MAX   15   /* letters */
#define NUMBER_MAX 4    /* digits: a year */
#define LOOKED_AT  1024 /* characters: enough of any secret */
#define SEPARATORS "-_. "

/* clang-format off */
static const char *const words[] = { /* sorted */
	"about", "above", "access", "account", "action", "active", "address",
	"adipiscing", "admin", "after", "again", "all", "allow", "alpha", "also",
	"always", "amet", "and", "angular", "animal", "any", "anyone", "api", "app",
	"apple", "application", "are", "around", "array", "assistant", "auth",
	"authentication", "author", "authorization", "authorize", "back", "backend",
	"base", "basic", "battery", "because", "before", "begin", "being", "below",
	"better", "between", "billing", "bits", "black", "block", "board", "bridge",
	"bright", "bring", "broken", "brown", "browser", "build", "business", "but",
	"button", "byte", "bytes", "cache", "can", "cannot", "cat", "change", "changed",
	"changeme", "char", "character", "characters", "check", "child", "class", "clean",
	"clear", "client", "cloud", "code", "come", "common", "company", "complex",
	"computer", "config", "configuration", "connect", "consectetur", "console",
	"contain", "container", "cookie", "copy", "correct", "could", "country", "create",
	"created", "credential", "crypto", "custom", "customer", "dangerous", "data",
	"database", "debug", "decode", "default", "delete", "demo", "deploy", "dev",
	"develop", "developer", "development", "different", "digest", "docker",
	"document", "dog", "dolor", "domain", "down", "dragon", "dummy", "during", "each",
	"early", "earth", "elit", "else", "email", "empty", "encode", "encoded",
	"encrypt", "encryption", "enough", "enter", "entropy", "environment", "error",
	"even", "every", "everyone", "example", "expire", "express", "extra", "extremely",
	"false", "family", "field", "final", "find", "first", "flask", "for", "force",
	"forever", "forget", "format", "found", "fox", "free", "friend", "from", "front",
	"frontend", "full", "function", "future", "game", "generate", "generated",
	"generator", "get", "git", "give", "good", "great", "green", "group", "guess",
	"had", "happy", "hard", "has", "hash", "have", "heart", "hello", "help", "her",
	"here", "hidden", "high", "hmac", "hold", "home", "horse", "house", "html",
	"http", "human", "hundred", "idea", "image", "important", "inside", "instead",
	"into", "invoice", "ipsum", "issue", "item", "itself", "java", "javascript",
	"json", "jsonwebtoken", "jumps", "just", "jwt", "jwts", "keep", "key", "keyboard",
	"keys", "kind", "king", "know", "laravel", "large", "last", "later", "layer",
	"lazy", "learn", "least", "left", "let", "letter", "level", "life", "light",
	"like", "line", "list", "little", "live", "load", "local", "localhost", "lock",
	"logger", "login", "london", "long", "longer", "look", "lorem", "lost", "love",
	"machine", "magic", "main", "make", "manager", "many", "master", "matter", "may",
	"member", "message", "middle", "mind", "minimum", "mobile", "modern", "money",
	"mongo", "monkey", "month", "more", "morning", "most", "mother", "move", "much",
	"music", "must", "myself", "mysql", "name", "near", "need", "nestjs", "never",
	"new", "next", "nice", "night", "nobody", "node", "nodejs", "not", "nothing",
	"noun", "now", "number", "object", "offer", "okay", "once", "one", "online",
	"only", "open", "openai", "openssl", "option", "order", "other", "our", "out",
	"output", "over", "owner", "part", "party", "pass", "passphrase", "password",
	"past", "patch", "path", "payload", "people", "permission", "person", "phone",
	"php", "phrase", "pick", "place", "plain", "platform", "play", "please", "plus",
	"point", "pool", "portal", "possible", "post", "postgres", "power", "pray",
	"pretty", "private", "problem", "process", "prod", "product", "production",
	"profile", "program", "project", "protect", "protected", "public", "purpose",
	"put", "python", "query", "question", "quick", "quiet", "rain", "random", "react",
	"read", "real", "really", "redis", "refresh", "register", "remember", "remove",
	"replace", "replaced", "report", "request", "require", "required", "reset",
	"response", "rest", "result", "return", "right", "river", "role", "room", "root",
	"router", "ruby", "rule", "running", "rust", "safe", "safety", "said", "salt",
	"same", "sample", "sand", "save", "school", "script", "search", "season",
	"second", "secret", "secretkey", "secrets", "section", "secure", "secured",
	"security", "see", "seed", "seen", "self", "send", "server", "service", "session",
	"set", "setting", "settings", "seven", "shared", "ship", "short", "should",
	"show", "side", "sign", "signature", "signed", "signing", "silver", "simple",
	"single", "site", "size", "slow", "small", "snow", "social", "software", "solid",
	"some", "someone", "something", "somewhere", "song", "soon", "source", "special",
	"spot", "spring", "stage", "staging", "staple", "star", "start", "state", "step",
	"still", "stop", "store", "story", "street", "string", "strong", "student",
	"study", "stuff", "such", "sun", "super", "supersecret", "supply", "support",
	"sure", "surely", "symfony", "system", "table", "take", "teacher", "team", "tech",
	"tell", "template", "temporary", "tenant", "term", "test", "testing", "tests",
	"text", "than", "that", "the", "their", "them", "then", "there", "these", "thing",
	"things", "think", "this", "those", "thousand", "three", "through", "time",
	"today", "together", "token", "tokens", "tomorrow", "tool", "topsecret", "total",
	"touch", "town", "travel", "tree", "true", "trust", "turn", "tutorial", "twelve",
	"two", "type", "under", "unique", "unit", "until", "update", "upload", "use",
	"used", "user", "username", "users", "uses", "using", "value", "values", "vary",
	"version", "very", "view", "visit", "voice", "wait", "walk", "wall", "want",
	"warm", "was", "wash", "water", "way", "weak", "wear", "web", "webapp", "webhook",
	"website", "webtoken", "week", "welcome", "well", "were", "what", "when", "where",
	"which", "while", "white", "who", "whole", "wife", "wild", "will", "wind",
	"window", "wine", "winter", "wish", "with", "without", "woman", "wonder", "wood",
	"word", "words", "work", "world", "worth", "would", "write", "wrong", "yard",
	"year", "yellow", "yesterday", "you", "young", "your", "yours", "yoursecret",
	"yourself", "zebra", "zero", "zone",
};
/* clang-format on */

static const char *const rows[] = {
	"abcdefghijklmnopqrstuvwxyz",
	"zyxwvutsrqponmlkjihgfedcba",
	"01234567890",
	"09876543210",
	"qwertyuiop",
	"poiuytrewq",
	"asdfghjkl",
	"lkjhgfdsa",
	"zxcvbnm",
	"mnbvcxz",
	"qwertzuiop",
	"azertyuiop",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm",
	"!@#$%^&*()_+",
};

/* The letter that a character stands for: some write s3cr3t. */
static char fold(char c)
{
	static const char digits[] = "013457@$", letters[] = "oieastas";
	const char *digit = c ? strchr(digits, c) : NULL;

	return digit ? letters[digit - digits] : (char)tolower((unsigned char)c);
}

/* The longest word that the text begins with. */
static size_t word_length(const char *text)
{
	size_t longest = 0;
	char first = fold(text[0]);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t length = 1;

		if (words[i][0] != first)
			continue;
		while (words[i][length] && fold(text[length]) == words[i][length])
			length++;
		if (words[i][length] == '\0')
			longest = length; /* they are sorted: the longest comes last */
	}
	return longest;
}

static size_t same_length(const char *a, const char *b)
{
	size_t length = 0;

	while (a[length] &&
	       tolower((unsigned char)a[length]) == tolower((unsigned char)b[length]))
		length++;
	return length;
}

/* The longest part of a row that the text begins with. */
static size_t row_length(const char *text)
{
	size_t longest = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (const char *at = rows[i]; *at; at++) {
			size_t length = same_length(text, at);

			if (length > longest)
				longest = length;
		}
	return longest >= ROW_MIN ? longest : 0;
}

/* As much of the text as came before, from `begin` on. */
static size_t repeated_length(const char *begin, const char *text)
{
	size_t longest = 0;

	for (const char *at = begin; at < text; at++) {
		size_t length = 0;

		while (text[length] && text[length] == at[length])
			length++;
		if (length > longest)
			longest = length;
	}
	return longest >= ROW_MIN ? longest : 0;
}

static bool is_letter(char c)
{
	return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Like this, This or THIS; or a short number. */
static bool is_part(const char *text, size_t length)
{
	size_t letters = 0, digits = 0, upper = 0;

	for (size_t i = 0; i < length; i++) {
		letters += is_letter(text[i]);
		digits += isdigit((unsigned char)text[i]) != 0;
		upper += isupper((unsigned char)text[i]) != 0;
	}
	if (digits == length)
		return length <= NUMBER_MAX;
	return letters == length && length <= PART_MAX &&
	       (upper == 0 || upper == length ||
		(upper == 1 && isupper((unsigned char)text[0])));
}

/* Words of whatever language with separators between them, and nothing else. */
static bool is_phrase(const char *text)
{
	size_t parts = 0;

	for (text += strspn(text, SEPARATORS); *text; text += strspn(text, SEPARATORS)) {
		size_t length = strcspn(text, SEPARATORS);

		if (!is_part(text, length))
			return false;
		parts++;
		text += length;
	}
	return parts >= PARTS_MIN;
}

static size_t guessed_length(const char *begin, const char *text)
{
	size_t longest = strchr(SEPARATORS, *text) ? 1 : 0;
	const size_t lengths[] = { word_length(text), row_length(text),
				   repeated_length(begin, text) };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		if (lengths[i] > longest)
			longest = lengths[i];
	return longest;
}

size_t token_words_unguessed(const char *secret, size_t enough)
{
	size_t length = strnlen(secret, LOOKED_AT), count = 0;

	if (is_phrase(secret))
		return 0;
	for (size_t i = 0; i < length && count < enough;) {
		size_t guessed = guessed_length(secret, secret + i);

		count += guessed == 0;
		i += guessed ? guessed : 1;
	}
	return count;
}
