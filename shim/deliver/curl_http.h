// Http by libcurl: http and https only, certificates always verified, no redirects, no proxies, no cookies,
// no .netrc, no credentials in URLs. Connections are kept for the next request. One per thread.
#pragma once

#include <memory>

#include "shim/deliver/http.h"

namespace spoor {

class CurlHttp : public Http {
public:
    // The library's own start is done with the first one.
    static Result<std::unique_ptr<CurlHttp>> create();
    ~CurlHttp() override;
    Result<HttpAnswer> send(const HttpRequest& request) override;

private:
    explicit CurlHttp(void* easy) : easy_(easy) {}
    void* easy_;  // CURL; its header stays out of this one
};

}  // namespace spoor
