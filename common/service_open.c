/* Apart from service.c, so that programs without an upstream link no libcurl. */
#include "service_private.h"

int service_open(const struct settings *settings, struct service **service,
		 struct oam_error *err)
{
	if (service_open_store(settings, service, err))
		return -1;
	if (settings->base_url)
		upstream_http_open(settings, &(*service)->upstream, err);
	else
		upstream_embedded_open((*service)->store, &(*service)->upstream, err);
	if (error_result(err) == 0)
		return 0;
	service_close(*service);
	*service = NULL;
	return -1;
}
