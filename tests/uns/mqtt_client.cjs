// Somebody else's MQTT client: mqtt.js with a session that outlives its connection. Prints what it hears as lines of JSON.
// stdin: {"topic", "publish", "retain", "properties": {"responseTopic", "correlationData" in base64}}; told back is the reason code with which the broker took it.
const mqtt = require("mqtt");
const [url, username, password, clientId, filter, version] = process.argv.slice(2);
const say = (told) => process.stdout.write(JSON.stringify(told) + "\n");

const client = mqtt.connect(url, {
  username: username || undefined,
  password: password || undefined,
  clientId,
  clean: false,
  protocolVersion: Number(version),
  properties: version === "5" ? { sessionExpiryInterval: 604800 } : undefined,
  reconnectPeriod: 100,
});
client.on("connect", (connack) => {
  client.subscribe(filter, { qos: 1 }, () => say({ subscribed: true, session: connack.sessionPresent }));
});
client.on("error", (error) => say({ error: String(error) }));
client.on("message", (topic, message, packet) => {
  const { retain, qos, dup, properties } = packet;
  say({ topic, text: message.toString(), retain, qos, dup, properties: { ...properties, userProperties: { ...properties?.userProperties } } });
});

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { topic, publish, retain, properties } = JSON.parse(line);
    if (properties?.correlationData) properties.correlationData = Buffer.from(properties.correlationData, "base64");
    client.publish(topic, publish, { qos: 1, retain: retain ?? false, properties }, (error) => say({ published: topic, code: error?.code ?? 0 }));
  })
  .on("close", () => client.end(true, () => process.exit(0)));
