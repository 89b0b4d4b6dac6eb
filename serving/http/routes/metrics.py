"""GET /metrics, for Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Tells all metrics; in the text format of Prometheus, or of OpenMetrics if that is asked for."""
    body, content_type = await request.app.state.metrics.scrape(request.headers.get("accept", ""))
    return Response(body, media_type=content_type)
