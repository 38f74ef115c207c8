/* PUT /refresh-interval: how long an assistant stays current. */
#include "clock.h"
#include "endpoint.h"

static int refresh_interval(struct service *service, const struct request *request,
			    struct json_writer *data, struct oam_error *err)
{
	int64_t interval = json_object_get_int64(
		json_member(request->body, "intervalMs"));
	struct service_status status;

	if (service_set_interval(service, request->profile, interval, err) ||
	    service_status(service, request->profile, &status, err))
		return -1;
	json_write_integer(data, "newIntervalMs", interval);
	json_write_decimal(data, "newIntervalHours", (double)interval / CLOCK_HOUR);
	service_status_write_brief(&status, data);
	return 0;
}

/* 0 turns automatic refresh off; 1 to 59,999 ms would only burn assistants. */
static int check_minimum(struct json_object *value, const char *path,
			 struct oam_error *err)
{
	int64_t interval = json_object_get_int64(value);

	if (interval == 0 || interval >= INTERVAL_MIN)
		return 0;
	return error_set(err, INTEGER_TOO_SMALL, path, path, (long long)INTERVAL_MIN,
			 (long long)interval);
}

static const struct shape body[] = {
	{ "intervalMs", SHAPE_INTEGER, .required = true, .max = INTERVAL_MAX,
	  .check = check_minimum },
	{ 0 },
};

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "refresh-interval",
		.method = "PUT",
		.body = body,
		.message = "Refresh interval updated.",
		.open = service_open_store,
		.handle = refresh_interval,
	};

	return endpoint_main(&endpoint);
}
