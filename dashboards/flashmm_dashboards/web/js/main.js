import { group, isDecimal, moneyPlaces, round } from "./decimal.js";
import { byId, setText } from "./dom.js";
import { StreamClient } from "./stream.js";

const times = [];
const values = [];
let chart = null;

function show(items) {
  for (const item of items) {
    if (!isDecimal(item.net)) continue;
    times.push(item.time_ms / 1000);
    values.push(Number(item.net));
    byId("pnl-net").value = item.net;
    setText(byId("pnl-net"), group(round(item.net, moneyPlaces(item.net)), { plus: true }));
    setText(byId("pnl-currency"), String(item.currency));
  }
  chart ??= new uPlot({ width: 900, height: 320, series: [{}, { label: "net", stroke: "#0a84a5" }] }, [times, values], byId("pnl-chart"));
  chart.setData([times, values]);
}

const url = new URL("/stream", location.href);
url.protocol = url.protocol.replace("http", "ws");
new StreamClient(url, ["pnl"], {
  state: (name) => setText(byId("state"), name),
  items: (stream, items) => show(items),
  gap: () => {},
  garbage: () => {},
}).start();
