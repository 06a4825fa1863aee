module kintsugi/e2e/localkube/launcher

go 1.24.0
