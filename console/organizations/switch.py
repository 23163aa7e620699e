"""Choosing which of one's organizations the lists and numbers are about."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from console.signed_in import CHOSEN, user_of


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Choose `organization`, by primary key; nothing chooses all."""
    asked = request.POST.get("organization", "")
    if not asked:
        request.session.pop(CHOSEN, None)
    elif asked in map(str, user_of(request).roles):
        request.session[CHOSEN] = int(asked)
    else:
        raise Http404("There is no such organization.")
    return redirect("admin:index")
