/* The C client that the MQTT bench is held against: publishes lines "topic<TAB>payload" from stdin with QoS 1 through
   libmosquitto. Prints one JSON object: when each was handed over, and when the last was acknowledged (CLOCK_MONOTONIC, ns).
   Arguments: port user password in-flight rate retain (rate 0: as fast as it goes). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As libmosquitto.so.1 exports them; its header is in a package of its own, which set-up does not bring. */
struct mosquitto;
extern int mosquitto_lib_init(void);
extern struct mosquitto *mosquitto_new(const char *id, int clean, void *object);
extern int mosquitto_username_pw_set(struct mosquitto *, const char *user, const char *password);
extern void mosquitto_publish_callback_set(struct mosquitto *, void (*)(struct mosquitto *, void *, int));
extern void mosquitto_connect_callback_set(struct mosquitto *, void (*)(struct mosquitto *, void *, int));
extern int mosquitto_max_inflight_messages_set(struct mosquitto *, unsigned int);
extern int mosquitto_connect(struct mosquitto *, const char *host, int port, int keepalive);
extern int mosquitto_loop(struct mosquitto *, int timeout_ms, int packets);
extern int mosquitto_publish(struct mosquitto *, int *mid, const char *topic, int length, const void *payload, int qos, int retain);

enum { MESSAGES_MAX = 100000, LINE_BYTES_MAX = 16384, KEEPALIVE_S = 60, WAIT_MS = 1 };

static volatile int acknowledged, connected;
static char *topics[MESSAGES_MAX], *payloads[MESSAGES_MAX];
static int64_t handed_over[MESSAGES_MAX];

static void on_publish(struct mosquitto *client, void *object, int mid) { acknowledged++; }
static void on_connect(struct mosquitto *client, void *object, int code) { connected = code == 0 ? 1 : -1; }

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int count, char **given) {
  if (count != 7) return 2;
  int in_flight = atoi(given[4]), rate = atoi(given[5]), retain = atoi(given[6]), lines = 0, sent = 0;
  static char line[LINE_BYTES_MAX];
  while (lines < MESSAGES_MAX && fgets(line, sizeof line, stdin)) {
    char *tab = strchr(line, '\t'), *end = strchr(line, '\n');
    if (!tab || !end) return 2;
    *tab = *end = 0;
    topics[lines] = strdup(line);
    payloads[lines++] = strdup(tab + 1);
  }
  mosquitto_lib_init();
  struct mosquitto *client = mosquitto_new(NULL, 1, NULL);
  mosquitto_username_pw_set(client, given[2], given[3]);
  mosquitto_publish_callback_set(client, on_publish);
  mosquitto_connect_callback_set(client, on_connect);
  mosquitto_max_inflight_messages_set(client, in_flight);
  if (mosquitto_connect(client, "127.0.0.1", atoi(given[1]), KEEPALIVE_S)) return 1;
  while (!connected) mosquitto_loop(client, WAIT_MS, 1);
  if (connected < 0) return 1;
  int64_t began = now_ns();
  while (acknowledged < lines) {
    while (sent < lines && sent - acknowledged < in_flight && (!rate || now_ns() >= began + sent * 1000000000LL / rate)) {
      handed_over[sent] = now_ns();
      if (mosquitto_publish(client, NULL, topics[sent], strlen(payloads[sent]), payloads[sent], 1, retain)) return 1;
      sent++;
    }
    if (mosquitto_loop(client, WAIT_MS, 1)) return 1;
  }
  printf("{\"ended\": %lld, \"handed_over\": [", (long long)now_ns());
  for (int place = 0; place < lines; place++) printf("%s%lld", place ? "," : "", (long long)handed_over[place]);
  puts("]}");
  return 0;
}
