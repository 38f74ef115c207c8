<?php
// The assistant id to use now, in PHP: OAM_URL and OAM_TOKEN say where and with which token.
$context = stream_context_create(['http' => [
    'header' => 'Authorization: Bearer ' . getenv('OAM_TOKEN'),
    'timeout' => 35,
    'ignore_errors' => true,
]]);
$answer = file_get_contents(getenv('OAM_URL') . '/current', false, $context);
$body = json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
if (!$body['success']) {
    throw new RuntimeException($body['error']['code'] . ': ' . $body['message']);
}
echo $body['data']['assistantId'], "\n";
