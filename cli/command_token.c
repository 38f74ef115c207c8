/* oam token: tokens for the HTTP API. */
#include <stdlib.h>

#include "cli.h"
#include "clock.h"
#include "random.h"
#include "token.h"

#define TTL_MAX    (INT64_C(366) * 24 * CLOCK_HOUR)
#define JTI_LENGTH 22 /* 131 bits */

/* The name by which OAM_JWT_REVOKED can refuse this one token (RFC 7519, 4.1.7). */
static int put_jti(const struct cli *cli, struct oam_error *err)
{
	char jti[JTI_LENGTH + 1];

	if (json_object_object_get_ex(cli->claims, "jti", NULL))
		return 0;
	if (random_base62(jti, JTI_LENGTH, err))
		return -1;
	return json_put_string(cli->claims, "jti", jti, err);
}

static int put_claims(const struct cli *cli, int64_t ttl, struct oam_error *err)
{
	const struct settings *settings = cli->settings;
	int64_t now = clock_now() / CLOCK_SECOND;

	json_put_string(cli->claims, "sub", cli->subject, err);
	json_put_integer(cli->claims, "iat", now, err);
	json_put_integer(cli->claims, "exp", now + ttl / CLOCK_SECOND, err);
	if (settings->jwt_issuer)
		json_put_string(cli->claims, "iss", settings->jwt_issuer, err);
	if (settings->jwt_audience)
		json_put_string(cli->claims, "aud", settings->jwt_audience, err);
	return error_result(err);
}

int command_token(struct cli *cli, struct oam_error *err)
{
	int64_t ttl = cli_duration(cli->ttl, CLOCK_SECOND);
	char *text;

	if (ttl < CLOCK_SECOND || ttl > TTL_MAX)
		return cli_misuse(err, "--ttl must be like 90s, 15m, 1h or 7d, at most "
				       "366d");
	if (put_claims(cli, ttl, err) || put_jti(cli, err) ||
	    token_sign(cli->settings, cli->claims, &text, err))
		return -1;
	if (cli->json)
		printf("{ \"token\": \"%s\" }\n", text);
	else
		puts(text);
	free(text);
	return 0;
}
