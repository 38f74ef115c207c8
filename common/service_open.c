/* Apart from service.c, so that programs without an upstream link no libcurl. */
#include "service_private.h"

int service_open(const struct settings *settings, struct service **service,
		 struct oam_error *err)
{
	if (!settings->base_url)
		return service_open_hosted(settings, service, err);
	if (service_open_store(settings, service, err))
		return -1;
	if (upstream_http_open(settings, &(*service)->upstream, err) == 0)
		return 0;
	service_close(*service);
	*service = NULL;
	return -1;
}
