/* GET /metrics: what Prometheus asks for. */
#include <stdlib.h>

#include "endpoint.h"

static int metrics(struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	char *text;

	(void)request;
	if (service_metrics(service, &text, err))
		return -1;
	json_write_raw(data, text);
	free(text);
	return 0;
}

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "metrics",
		.method = "GET",
		.open = service_open_store,
		.handle = metrics,
		.dialect = &endpoint_metrics_dialect,
	};

	return endpoint_main(&endpoint);
}
