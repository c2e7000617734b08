import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/** Prints what a server says: `java Fetch METHOD ADDRESS`. */
public class Fetch {
    public static void main(String[] words) throws Exception {
        HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(8)).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(words[1]))
                .method(words[0], HttpRequest.BodyPublishers.noBody()).timeout(Duration.ofSeconds(8)).build();
        HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
        System.out.print(answer.statusCode() + " " + answer.body());
    }
}
