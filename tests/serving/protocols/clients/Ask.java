// java.net.http.HttpClient as its documentation posts a file; by default it offers to speak HTTP/2 (h2c).
// Run as one source file: java Ask.java ADDRESS PHOTO. The answers are printed as they come, a line each.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;

public class Ask {
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    public static void main(String[] arguments) throws Exception {
        var photo = Path.of(arguments[1]);
        var url = URI.create(arguments[0] + "/v1/models/orientation:predict");
        var head = HttpRequest.newBuilder(URI.create(arguments[0] + "/health/ready"))
                .method("HEAD", BodyPublishers.noBody()).build();
        tell("health", head);
        tell("bytes", post(url, BodyPublishers.ofFile(photo)));
        tell("chunked", post(url, BodyPublishers.ofInputStream(() -> {
            try {
                return Files.newInputStream(photo);
            } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
        })));
        tell("wrong", post(url, BodyPublishers.ofString("no image")));
    }

    static HttpRequest post(URI url, BodyPublisher body) {
        return HttpRequest.newBuilder(url).header("Content-Type", "image/png").POST(body).build();
    }

    static void tell(String what, HttpRequest request) throws Exception {
        var response = CLIENT.send(request, BodyHandlers.ofString());
        System.out.printf("%s %s %d %s%n", what, response.version(), response.statusCode(), response.body());
    }
}
