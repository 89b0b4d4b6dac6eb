<?php
// PHP's own HTTP streams, as its manual posts data: argv is the service's address and the photo's path.
[, $address, $photo] = $argv;
$url = "$address/v1/models/orientation:predict";

function ask(string $url, string $method, string $body, string $type): array
{
    $options = ['http' => ['method' => $method, 'header' => "Content-Type: $type", 'content' => $body, 'ignore_errors' => true]];
    $answer = file_get_contents($url, false, stream_context_create($options));
    preg_match('/ (\d{3})/', $http_response_header[0], $status);
    return ['status' => (int) $status[1]] + (json_decode($answer, true) ?? []);
}

$image = file_get_contents($photo);
$form = "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"photo.png\"\r\n\r\n$image\r\n--b--\r\n";
echo json_encode([
    'health' => ask("$address/health/ready", 'HEAD', '', 'text/plain')['status'],
    'bytes' => ask($url, 'POST', $image, 'image/png')['predictions'],
    'form' => ask($url, 'POST', $form, 'multipart/form-data; boundary=b')['predictions'],
    'wrong' => ask($url, 'POST', 'no image', 'image/png'),
]);
