// What an EventSource gives of a stream, up to its event `done`, over as many connections as it takes. A page runs this
// as it is; Node does when it is told the URL.
function collect(url) {
  return new Promise((resolve, reject) => {
    const seen = [];
    const source = new EventSource(url);
    const see = ({ type, lastEventId, data }) => {
      seen.push([type, lastEventId, data]);
      if (type === "done") {
        source.close();
        resolve(seen);
      }
    };
    for (const type of ["message", "named", "done"]) source.addEventListener(type, see);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) reject(new Error(`closed after ${JSON.stringify(seen)}`));
    };
  });
}

if (globalThis.process) {
  // Node does not wait for an EventSource that is between two connections.
  const stay = setInterval(() => {}, 1000);
  collect(process.argv[2])
    .then((seen) => console.log(JSON.stringify(seen)))
    .finally(() => clearInterval(stay));
}
