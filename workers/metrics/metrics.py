"""Every metric of the farm, with its meaning.  Callers see functions, not names."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.process_collector import ProcessCollector

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)
_SLOW = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 30, 60, 120)


class Metrics:
    """The instruments of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._recorder()
        self._cutter()
        self._uploader()
        self._farm()
        self._api()

    def serve(self, host: str, port: int) -> int:
        """Answer ``GET /metrics``; returns the port that is used."""
        server, _ = start_http_server(port, host, registry=self.registry)
        return int(server.server_port)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"tapefarm_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"tapefarm_{name}", text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"tapefarm_{name}", text, labels, buckets=buckets, registry=self.registry)

    def _recorder(self) -> None:
        self.recordings_active = self._gauge(
            "recordings_active", "Recordings that this recorder is taping."
        )
        self.recorder_slots = self._gauge(
            "recorder_slots", "Recordings that this recorder can hold."
        )
        self.recorder_packets = self._counter(
            "recorder_packets_total", "RTP packets written to tape."
        )
        self.recorder_packets_lost = self._counter(
            "recorder_packets_lost_total", "RTP packets given up after retransmission requests."
        )
        self.recorder_kernel_drops = self._counter(
            "recorder_kernel_drops_total", "Datagrams that the kernel dropped at full sockets."
        )
        self.recorder_troubles = self._counter(
            "recorder_troubles_total", "Publishers that could not be heard: ICE or DTLS failed."
        )
        self.recorder_loop_lag = self._histogram(
            "recorder_loop_lag_seconds", "How late the recorder's event loop ran a timer.", _FAST
        )
        self.recorder_tasks = self._gauge(
            "recorder_tasks", "Tasks on the recorder's event loop; some for each recording."
        )
        self.slices_taped = self._counter("slices_taped_total", "Slices that became whole on tape.")
        self.tape_bytes = self._counter("tape_bytes_total", "Bytes in sealed tape parts.")
        self.tape_backlog = self._gauge(
            "tape_backlog_seconds", "Media on tape that no cutter has cut yet, all recordings."
        )
        self.recording_start = self._histogram(
            "recording_start_seconds", "Start call to first packet on tape.", _SLOW
        )

    def _cutter(self) -> None:
        self.slices = self._counter(
            "slices_total", "Slices cut, by output and by what became of them.", "output", "result"
        )
        self.segments = self._counter(
            "segments_total", "Media files made of slices, by output.", "output"
        )
        self.slice_cut = self._histogram(
            "slice_cut_seconds", "Time to cut one slice.", _SLOW, "output"
        )
        self.images = self._counter(
            "images_total", "Images of mixes, by whether they could be fetched.", "result"
        )
        self.slice_media = self._counter(
            "slice_media_seconds_total", "Media time of the slices that were cut.", "output"
        )

    def _uploader(self) -> None:
        self.uploads = self._counter("uploads_total", "Files uploaded, by result.", "result")
        self.upload_seconds = self._histogram(
            "upload_seconds", "Time to upload and verify one file.", _SLOW
        )
        self.upload_bytes = self._counter("upload_bytes_total", "Bytes uploaded and verified.")
        self.recording_finish = self._histogram(
            "recording_finish_seconds", "Stop call to last file verified.", _SLOW
        )

    def _farm(self) -> None:
        self.spool_bytes = self._gauge(
            "spool_bytes", "Bytes in the spool, tapes that are kept among them."
        )
        self.queue_depth = self._gauge("queue_depth", "Messages waiting in a queue.", "queue")
        self.callbacks = self._counter("callbacks_total", "Callback attempts, by result.", "result")
        self.callbacks_waiting = self._gauge(
            "callbacks_waiting", "Callbacks that no receiver has taken yet."
        )
        self.failovers = self._counter(
            "failovers_total", "Recordings handed to another recorder after a lapsed lease."
        )

    def _api(self) -> None:
        self.api_request = self._histogram(
            "api_request_seconds", "Time to answer an API request.", _FAST, "route", "status"
        )
